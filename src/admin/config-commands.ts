import { existsSync } from "node:fs";
import { describeProblem, loadConfigFile } from "../config/load.ts";
import { type Call, type Command, operandsOf } from "./command.ts";
import { jsonConfig, plainConfig, plistConfig, settingsTable } from "./print.ts";
import { tableText } from "./table.ts";

/** Prints warnings and problems; true: the server would start. */
const judge = async (call: Call, path: string): Promise<boolean> => {
  const { problems, warnings } = await loadConfigFile(path, call.overrides);
  for (const warning of warnings) call.say(`warning: ${warning}`);
  for (const problem of problems) call.say(`problem: ${describeProblem(problem)}`);
  return problems.length === 0;
};

export const configCommand: Command = {
  name: "config",
  operands: [""],
  about: "print the configuration that caldavd would run with",
  help: `Every key with its value, options (-o) included. Passwords are not shown. As a
property list it can be saved and used.
`,
  async run(call) {
    operandsOf(call, 0);
    const good = await judge(call, call.configFile);
    const { config } = await loadConfigFile(call.configFile, call.overrides);
    if (call.format === "plain") call.print(plainConfig(config));
    else if (call.format === "plist") call.print(plistConfig(config));
    else if (call.format === "csv") call.print(tableText(settingsTable(config), "csv"));
    else call.print(jsonConfig(config));
    return good ? 0 : 1;
  },
};

export const checkConfigCommand: Command = {
  name: "check-config",
  operands: ["[FILE]"],
  about: "say all that is wrong with a configuration file",
  help: `Reads the file as caldavd would and prints every problem and every warning, with
the line. The status is 1 if the server would not start with it.
`,
  async run(call) {
    const [path = call.configFile] = operandsOf(call, 0, 1);
    // For the server a missing file means its defaults; who names one to be checked means that it is there.
    if (!existsSync(path)) {
      call.say(`problem: ${path}: no such file`);
      return 1;
    }
    if (!(await judge(call, path))) return 1;
    call.print(`${path}: no problems\n`);
    return 0;
  },
};
