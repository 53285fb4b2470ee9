import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeProblem, loadConfigFile } from "../config/load.ts";
import { jsonConfig, plainConfig, plistConfig } from "./print.ts";

const usage = `usage: caladmin [-h] [-c file] [-f format] [-o key=value] command
options:
  -h, --help           print this help and exit
  -c, --config file    the configuration file; default /etc/caldavd/caldavd.plist
  -f, --format format  plain (default), json or plist
  -o, --option k=v     a key of the configuration, as in caldavd -o; may be repeated
commands:
  config               print the configuration that caldavd would run with
  check-config [file]  say all that is wrong with a configuration file
exit status: 0 all is well; 1 the configuration has problems; 64 a wrong call
`;

/** A command or an option that does not exist: exit status 64 (EX_USAGE), usage on standard output. */
class UsageError extends Error {}

interface Call {
  readonly configFile: string;
  readonly format: string;
  readonly overrides: readonly string[];
  readonly operands: readonly string[];
}

const usualConfigFile = "/etc/caldavd/caldavd.plist";

/** Prints warnings and problems; true: the server would start. */
const judge = async (path: string, overrides: readonly string[]): Promise<boolean> => {
  const { problems, warnings } = await loadConfigFile(path, overrides);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  for (const problem of problems) process.stderr.write(`problem: ${describeProblem(problem)}\n`);
  return problems.length === 0;
};

const printConfig = async ({ configFile, overrides, format, operands }: Call): Promise<number> => {
  if (operands.length > 0) throw new UsageError(`config takes no operand such as ${operands[0]}`);
  const good = await judge(configFile, overrides);
  const { config } = await loadConfigFile(configFile, overrides);
  if (format === "plain") process.stdout.write(plainConfig(config));
  else if (format === "plist") process.stdout.write(plistConfig(config));
  else process.stdout.write(jsonConfig(config));
  return good ? 0 : 1;
};

const checkConfig = async ({ configFile, overrides, operands }: Call): Promise<number> => {
  if (operands.length > 1) throw new UsageError("check-config takes one file");
  const path = operands[0] ?? configFile;
  // For the server a missing file means its defaults; who names one to be checked means that it is there.
  if (!existsSync(path)) {
    process.stderr.write(`problem: ${path}: no such file\n`);
    return 1;
  }
  if (!(await judge(path, overrides))) return 1;
  process.stdout.write(`${path}: no problems\n`);
  return 0;
};

/** To add a command is to add a line here and one in the usage. */
const commands = new Map<string, (call: Call) => Promise<number>>([
  ["config", printConfig],
  ["check-config", checkConfig],
]);

const formats = ["plain", "json", "plist"];

const readArguments = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        config: { type: "string", short: "c" },
        format: { type: "string", short: "f", default: "plain" },
        option: { type: "string", short: "o", multiple: true, default: [] },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

const run = async (): Promise<number> => {
  const { values, positionals } = readArguments();
  const [name, ...operands] = positionals;
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  if (name === undefined) throw new UsageError("no command is given");
  const command = commands.get(name);
  if (command === undefined) throw new UsageError(`there is no command ${name}`);
  if (!formats.includes(values.format)) throw new UsageError(`there is no format ${values.format}`);
  const example = fileURLToPath(new URL("../../plist/caldavd.plist", import.meta.url));
  const configFile = values.config ?? (existsSync(usualConfigFile) ? usualConfigFile : example);
  return command({ configFile, format: values.format, overrides: values.option, operands });
};

run().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof UsageError) {
      process.stdout.write(`caladmin: ${error.message}\n${usage}`);
      process.exitCode = 64;
      return;
    }
    process.stderr.write(`caladmin: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
