import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { backupCommand } from "./backup.ts";
import { type Call, type Command, configOf, formats, Problems, UsageError } from "./command.ts";
import { checkConfigCommand, configCommand } from "./config-commands.ts";
import { delegatesCommand } from "./delegates.ts";
import { dkimCommand } from "./dkim.ts";
import { homesCommand } from "./homes.ts";
import { checkLocalUsersCommand } from "./local-users.ts";
import { logsCommand } from "./logs.ts";
import { mailCommand } from "./mail.ts";
import { passwordsCommand } from "./passwords.ts";
import { principalsCommand } from "./principals.ts";
import { purgeCommand } from "./purge.ts";
import {
  fullstatusCommand,
  reloadCommand,
  restartCommand,
  startCommand,
  statusCommand,
  stopCommand,
} from "./service.ts";
import { settingsCommand } from "./settings.ts";
import { sharesCommand } from "./shares.ts";
import { statsCommand } from "./stats.ts";
import { verifyCommand } from "./verify.ts";

const commands: readonly Command[] = [
  startCommand,
  stopCommand,
  restartCommand,
  reloadCommand,
  statusCommand,
  fullstatusCommand,
  settingsCommand,
  configCommand,
  checkConfigCommand,
  logsCommand,
  statsCommand,
  principalsCommand,
  checkLocalUsersCommand,
  dkimCommand,
  delegatesCommand,
  passwordsCommand,
  homesCommand,
  sharesCommand,
  mailCommand,
  purgeCommand,
  verifyCommand,
  backupCommand,
];

const usage = `usage: caladmin [-h] [-c file] [-f format] [-o key=value] command
options:
  -h, --help           print this help and exit; after a command, that of the command
  -c, --config file    the configuration file; default /etc/caldavd/caldavd.plist
  -f, --format format  plain (default), json, plist or csv
  -o, --option k=v     a key of the configuration, as in caldavd -o; may be repeated
commands:
${commands.map(({ name, about }) => `  ${name.padEnd(20)} ${about}\n`).join("")}  ${"help COMMAND".padEnd(20)} print the command's own help
exit status: 0 all is well; 1 something is wrong, and standard error says what; 64 a wrong call
`;

const usageOf = ({ name, operands }: Command): string =>
  operands
    .map((form, at) => `${at === 0 ? "usage:" : "      "} caladmin [options] ${name} ${form}`.trimEnd())
    .join("\n");

const usualConfigFile = "/etc/caldavd/caldavd.plist";

const general = {
  help: { type: "boolean", short: "h" },
  config: { type: "string", short: "c" },
  format: { type: "string", short: "f", default: "plain" },
  option: { type: "string", short: "o", multiple: true, default: [] },
} as const satisfies ParseArgsConfig["options"];

/** Options may stand before or after the command, so all commands' are read together; a name means one type everywhere. */
const readArguments = () => {
  const options: NonNullable<ParseArgsConfig["options"]> = { ...general };
  for (const command of commands) Object.assign(options, command.options);
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

const find = (name: string): Command => {
  const command = commands.find((known) => known.name === name);
  if (command === undefined) throw new UsageError(`there is no command ${name}`);
  return command;
};

const print = (text: string): void => void process.stdout.write(text);

const run = async (): Promise<number> => {
  const { values, positionals } = readArguments();
  const [name, ...operands] = positionals;
  const asked = name === "help" ? operands[0] : values["help"] === true ? name : undefined;
  if (asked !== undefined) {
    const command = find(asked);
    print(`${usageOf(command)}\n\n${command.about}\n\n${command.help}`);
    return 0;
  }
  if (values["help"] === true || name === "help") {
    print(usage);
    return 0;
  }
  if (name === undefined) throw new UsageError("no command is given");
  const command = find(name);
  const format = formats.find((known) => known === values["format"]);
  if (format === undefined) throw new UsageError(`there is no format ${String(values["format"])}`);
  for (const option of Object.keys(values))
    if (!Object.hasOwn(general, option) && !Object.hasOwn(command.options ?? {}, option))
      throw new UsageError(`${name} takes no option --${option}`);
  const example = fileURLToPath(new URL("../../plist/caldavd.plist", import.meta.url));
  const configFile = String(values["config"] ?? (existsSync(usualConfigFile) ? usualConfigFile : example));
  const overrides = Array.isArray(values["option"]) ? values["option"].map(String) : [];
  const call: Call = {
    configFile,
    overrides,
    format,
    operands,
    flag: (option) => values[option] === true,
    value: (option) => (typeof values[option] === "string" ? values[option] : undefined),
    config: () => configOf(configFile, overrides),
    print,
    say: (line) => void process.stderr.write(`${line}\n`),
  };
  try {
    return await command.run(call);
  } catch (error) {
    if (error instanceof UsageError && error.cause === undefined)
      throw new UsageError(error.message, { cause: command });
    throw error;
  }
};

// Whoever reads may have seen enough: `caladmin … | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

run().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.exitCode = 1;
    if (error instanceof UsageError) {
      const command = commands.find((known) => known === error.cause);
      process.stdout.write(`caladmin: ${error.message}\n${command === undefined ? usage : `${usageOf(command)}\n`}`);
      process.exitCode = 64;
    } else if (error instanceof Problems)
      for (const problem of error.problems) process.stderr.write(`problem: ${problem}\n`);
    else process.stderr.write(`caladmin: ${error instanceof Error ? error.message : String(error)}\n`);
  },
);
