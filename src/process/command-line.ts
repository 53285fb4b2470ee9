import { parseArgs } from "node:util";

/** What the command line of `caldavd` says. */
export interface CommandLine {
  readonly help: boolean;
  /** -X: stay in the foreground, error log to standard output. */
  readonly foreground: boolean;
  /** -f; undefined: the usual place. */
  readonly configFile: string | undefined;
  /** -o and -t, as the configuration loader takes them. */
  readonly overrides: readonly string[];
  /** -u and -g: who this process becomes; empty: no change. */
  readonly user: string;
  readonly group: string;
}

/** A flag or operand that does not exist: exit status 64 (EX_USAGE), usage on standard output. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

export const exitUsage = 64;

export const usage = `usage: caldavd [-hX] [-u user] [-g group] [-f file] [-t type] [-o key=value]
options:
  -h            print this help and exit
  -X            stay in the foreground, with the error log on standard output
  -u user       run this process as this user (root only)
  -g group      run this process as this group (root only)
  -f file       the configuration file; default /etc/caldavd/caldavd.plist
  -t type       the process type: Combined, Master, Slave or Single
  -o key=value  set a key of the configuration, such as -o HTTPPort=8008 or
                -o MultiProcess/ProcessCount=4; may be repeated
  -T, -p, -P, -R  taken for the sake of old scripts, without effect
`;

/** Reads the arguments behind the program's name. Throws UsageError. */
export const readCommandLine = (args: readonly string[]): CommandLine => {
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        help: { type: "boolean", short: "h" },
        foreground: { type: "boolean", short: "X" },
        config: { type: "string", short: "f" },
        type: { type: "string", short: "t" },
        option: { type: "string", short: "o", multiple: true },
        user: { type: "string", short: "u" },
        group: { type: "string", short: "g" },
        // Of the original, and of no use here: its interpreter, profiler, plugin and event loop.
        twistd: { type: "string", short: "T" },
        profile: { type: "string", short: "p" },
        plugin: { type: "string", short: "P" },
        reactor: { type: "string", short: "R" },
      },
    });
    return {
      help: values.help === true,
      foreground: values.foreground === true,
      configFile: values.config,
      overrides: [...(values.option ?? []), ...(values.type === undefined ? [] : [`ProcessType=${values.type}`])],
      user: values.user ?? "",
      group: values.group ?? "",
    };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};
