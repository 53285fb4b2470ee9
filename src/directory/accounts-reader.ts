import { setPriority } from "node:os";
import { type Accounts, readAccounts } from "./accounts-file.ts";

/** What the reader is told: the file's bytes in parts, "read" behind the last, then "more" for each part of the records. */
export type Told = Uint8Array | "read" | "more";
/** What it says: the warnings first, then the records, some for each time it is asked; none when there are no more. */
export type Said =
  | { readonly kind: "read"; readonly realm: string; readonly warnings: readonly (readonly [number, string])[] }
  | { readonly kind: "records"; readonly records: Accounts["records"] }
  | { readonly kind: "broken"; readonly message: string };

/** Records at once: what arrives is made into objects again on the other side's loop. */
const atOnce = 50;

const parts: Uint8Array[] = [];
let accounts: Accounts = { realm: "", records: [] };
let given = 0;

const say = (said: Said): void => void process.send?.(said);

function read(bytes: Uint8Array): void {
  const warnings: (readonly [number, string])[] = [];
  try {
    accounts = readAccounts(bytes, (line, message) => void warnings.push([line, message]));
    say({ kind: "read", realm: accounts.realm, warnings });
  } catch (error) {
    say({ kind: "broken", message: error instanceof Error ? error.message : String(error) });
  }
}

/** A process that reads an accounts file for a worker and ends. Whoever waits for calendars comes first. */
setPriority(10);
process.title = "caldavd: accounts";
// Signals are the master's affair; this process ends with the worker that asks it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => {});
process.on("disconnect", () => process.exit(0));
process.on("message", (told: Told) => {
  if (typeof told !== "string") return void parts.push(told);
  if (told === "read") return read(Buffer.concat(parts.splice(0)));
  say({ kind: "records", records: accounts.records.slice(given, given + atOnce) });
  given += atOnce;
});
