import type { ParseArgsConfig } from "node:util";
import { describeProblem, loadConfigFile } from "../config/load.ts";
import type { Config } from "../config/schema.ts";

/** A command, an operand or an option that does not exist: exit status 64 (EX_USAGE), usage on standard output. */
export class UsageError extends Error {}

/** Something the administrator is told without a stack; exit status 1. Each sentence is a line "problem: …". */
export class Problems extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

export const formats = ["plain", "json", "plist", "csv"] as const;
export type Format = (typeof formats)[number];

/** What was typed, and where answers go. */
export interface Call {
  readonly configFile: string;
  /** `-o`, as written. */
  readonly overrides: readonly string[];
  readonly format: Format;
  /** What follows the command's name. */
  readonly operands: readonly string[];
  /** A switch of the command. */
  flag(name: string): boolean;
  /** The value of an option of the command. */
  value(name: string): string | undefined;
  /** The configuration that caldavd would run with. Throws Problems when it would not start. */
  config(): Promise<Config>;
  print(text: string): void;
  /** A line on standard error. */
  say(line: string): void;
}

/** To add a command is to add a file with one of these, and a line in caladmin.ts. */
export interface Command {
  readonly name: string;
  /** As in the usage: `get KEY…`. Several forms one below the other. */
  readonly operands: readonly string[];
  /** One line of the list of commands. */
  readonly about: string;
  /** What `caladmin help NAME` prints below the usage: paragraphs, options, examples. */
  readonly help: string;
  readonly options?: NonNullable<ParseArgsConfig["options"]>;
  /** The exit status: 0 all is well, 1 something is not. */
  run(call: Call): Promise<number>;
}

/** Reads the configuration for a command that only needs it to be right. */
export async function configOf(configFile: string, overrides: readonly string[]): Promise<Config> {
  const { config, problems } = await loadConfigFile(configFile, overrides);
  if (problems.length > 0) throw new Problems(problems.map(describeProblem));
  return config;
}

/** The operands, of which there must be so many. */
export function operandsOf(call: Call, least: number, most = least): readonly string[] {
  const { operands } = call;
  if (operands.length < least)
    throw new UsageError(operands.length === 0 ? "an operand is missing" : "too few operands");
  if (operands.length > most) throw new UsageError(`one operand too many: ${operands[most]}`);
  return operands;
}

/** A whole number given as the value of an option. */
export function numberOf(
  call: Call,
  option: string,
  fallback: number,
  [least, most]: readonly [number, number],
): number {
  const written = call.value(option);
  if (written === undefined) return fallback;
  const number = /^\d{1,12}$/.test(written) ? Number(written) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`--${option} must be a whole number from ${least} to ${most}, found ${written}`);
}
