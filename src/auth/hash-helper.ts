import { readdirSync } from "node:fs";
import { setPriority } from "node:os";
import { md5Crypt, shaCrypt } from "./crypt.ts";
import type { HashAnswer, HashQuestion } from "./slow-hashes.ts";
import { sameSecret } from "./stored-password.ts";

/** A process that checks slow hashes for a worker, asked by messages, until the worker lets go of it or dies. The libraries are
 *  loaded when a hash of their kind comes along. */

/** Of 19; whoever waits for calendars comes first. */
const niceness = 10;

const slowDown = (): void => {
  // Linux keeps a priority for each thread; those of the pool may be there already.
  try {
    for (const thread of readdirSync("/proc/self/task")) setPriority(Number(thread), niceness);
  } catch {
    setPriority(niceness);
  }
};

const isRight = async ({ kind, stored, password }: HashQuestion): Promise<boolean> => {
  if (kind === "argon2") {
    const { default: argon2 } = await import("argon2");
    return argon2.verify(stored, password);
  }
  if (kind === "bcrypt") {
    const { default: bcrypt } = await import("bcryptjs");
    // $2x$ and $2y$ are names of other programs for what $2b$ is; $2$ never had the null byte.
    return bcrypt.compareSync(password, stored.replace(/^\$2[xy]?\$/, "$2b$"));
  }
  return sameSecret(kind === "sha-crypt" ? shaCrypt(password, stored) : md5Crypt(password, stored), stored);
};

slowDown();
process.title = "caldavd: password hashes";
// Signals are the master's affair; this process ends with the worker that asks it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => {});
process.on("disconnect", () => process.exit(0));
process.on("message", (question: HashQuestion) => {
  isRight(question)
    .catch(() => false)
    .then((right) => process.send?.({ id: question.id, right } satisfies HashAnswer));
});
