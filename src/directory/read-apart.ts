import { type ChildProcess, fork } from "node:child_process";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Accounts, readAccounts } from "./accounts-file.ts";
import { type AccountsIndex, indexing } from "./accounts-index.ts";
import type { Said, Told } from "./accounts-reader.ts";

/** Smaller files are read on the spot: a few milliseconds. Bytes. */
const smallFile = 16_384;
/** How long a piece of work may hold the event loop. Milliseconds. */
const slice = 3;
/** Bytes given to the reader at once. */
const partSize = 131_072;
/** Nobody waits longer for the reader; the file is then as broken. Milliseconds. */
const patience = 120_000;

type Warn = (line: number, message: string) => void;

/** Reads and indexes an accounts file while requests go on: the text in a process of its own, the rest in slices. Throws what
 *  `readAccounts` throws, as an Error with the same message. */
export async function readAccountsApart(bytes: Uint8Array, warn: Warn, elsewhere = false): Promise<AccountsIndex> {
  const accounts = bytes.length <= smallFile ? readAccounts(bytes, warn) : await inProcess(bytes, warn);
  const work = indexing(accounts, warn, elsewhere);
  for (;;) {
    const end = performance.now() + slice;
    do {
      const step = work.next();
      if (step.done === true) return step.value;
    } while (performance.now() < end);
    await turn();
  }
}

async function inProcess(bytes: Uint8Array, warn: Warn): Promise<Accounts> {
  const reader = start();
  try {
    for (let from = 0; from < bytes.length; from += partSize) {
      await tell(reader, bytes.subarray(from, from + partSize));
      await turn();
    }
    const first = await ask(reader, "read");
    if (first.kind !== "read") throw new Error(first.kind === "broken" ? first.message : "the reader began wrongly");
    for (const [line, message] of first.warnings) warn(line, message);
    const records: Accounts["records"][number][] = [];
    for (;;) {
      const said = await ask(reader, "more");
      if (said.kind !== "records" || said.records.length === 0) return { realm: first.realm, records };
      records.push(...said.records);
      await turn();
    }
  } finally {
    reader.kill("SIGKILL");
  }
}

function start(): ChildProcess {
  const file = import.meta.url.endsWith(".ts") ? "accounts-reader.ts" : "accounts-reader.js";
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: process.execArgv.filter((word) => !/^--(?:test|inspect)/.test(word)),
    // NODE_TEST_CONTEXT would make it believe that it is a test.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, UV_THREADPOOL_SIZE: "1" },
  });
  child.unref();
  // One that comes when nobody asks is nobody's.
  child.on("error", () => {});
  return child;
}

const tell = (reader: ChildProcess, told: Told): Promise<void> =>
  new Promise((resolve, reject) => {
    reader.send(told, (error) => (error === null ? resolve() : reject(error)));
  });

function ask(reader: ChildProcess, told: Told): Promise<Said> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => failed(new Error("the reader does not answer")), patience);
    const ended = (code: number | null): void => failed(new Error(`the reader ended (${code ?? "killed"})`));
    const failed = (error: Error): void => settle(() => reject(error));
    const said = (message: Said): void => settle(() => resolve(message));
    const settle = (how: () => void): void => {
      clearTimeout(late);
      reader.off("message", said).off("error", failed).off("exit", ended);
      how();
    };
    reader.on("message", said).on("error", failed).on("exit", ended);
    reader.send(told, (error) => {
      if (error !== null) failed(error);
    });
  });
}
