import type { Call } from "./command.ts";

/** Options of commands that print sizes, as the original's. */
export const sizeOptions = {
  human: { type: "boolean" },
  kilobytes: { type: "boolean", short: "k" },
  megabytes: { type: "boolean", short: "m" },
  gigabytes: { type: "boolean", short: "g" },
} as const;

export const sizeHelp = `  -k, -m, -g  sizes in kilobytes, megabytes, gigabytes (1024 each) instead of bytes
  --human     sizes such as 1.5M
`;

const units = ["", "K", "M", "G", "T"] as const;

/** A size as the options want it: whole numbers, or text with --human. */
export function sizeAs(call: Call): (bytes: number) => number | string {
  if (call.flag("human"))
    return (bytes) => {
      let size = bytes;
      let unit = 0;
      for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
      return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)}${units[unit]}`;
    };
  const power = call.flag("gigabytes") ? 3 : call.flag("megabytes") ? 2 : call.flag("kilobytes") ? 1 : 0;
  return (bytes) => Math.ceil(bytes / 1024 ** power);
}
