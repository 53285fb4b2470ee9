import { choice, flag, path, type Section, table, texts, unbounded, whole, writtenFile } from "./key.ts";

const levels = ["debug", "info", "warn", "error"] as const;
type Level = (typeof levels)[number];

const level = (value: unknown): Level | undefined =>
  levels.find((word) => typeof value === "string" && word === value.toLowerCase());

/** What is written down. */
export const logs = {
  AccessLogFile: writtenFile(
    "/var/log/caldavd/access.log",
    "One line for each request; empty means access.log in DataRoot.",
    {
      shipped: "../data/store/logs/access.log",
    },
  ),
  ErrorLogFile: writtenFile(
    "/var/log/caldavd/error.log",
    "What the server has to say; empty means error.log in DataRoot.",
    {
      shipped: "../data/store/logs/error.log",
    },
  ),
  RotateAccessLog: flag(false, "Begin a new access log each day."),
  EnableExtendedAccessLog: flag(true, "Add the worker, the milliseconds and the counts of each answer to its line."),
  DefaultLogLevel: choice(
    [...levels, ""],
    "",
    "What is written to the error log: debug, info, warn or error; empty means warn.",
    {
      aliases: { warning: "warn" },
    },
  ),
  LogLevels: table(
    `levels (${levels.join(", ")}) by part of the server`,
    level,
    {},
    "Other levels for parts of the server; the longest name wins.",
  ),
} satisfies Section;

/** Logs and counters of the original that this server does not write. */
export const accounting = {
  Verbose: flag(false, "Unused in the original too.", { effect: "ignored" }),
  AccountingCategories: table(
    "switches by category",
    (value) => (typeof value === "boolean" ? value : undefined),
    { iTIP: false },
    "Kinds of traffic the original wrote down in full.",
    { effect: "ignored" },
  ),
  AccountingPrincipals: texts([], "For whom it did.", { effect: "ignored" }),
  AccountingLogRoot: path("/var/log/caldavd/accounting", "The folder it used.", { effect: "ignored" }),
  ServerStatsFile: path("/var/run/caldavd/stats.plist", "The request statistics that caladmin logs writes.", {
    effect: "later",
  }),
  GlobalStatsSocket: path("/var/run/caldavd-stats.sock", "The socket on which the original told its hits.", {
    effect: "ignored",
  }),
  GlobalStatsLoggingPeriod: whole(60, [0, unbounded], "Minutes of history there.", { effect: "ignored" }),
  GlobalStatsLoggingFrequency: whole(12, [0, unbounded], "Samples in that time; 0 switched it off.", {
    effect: "ignored",
  }),
} satisfies Section;
