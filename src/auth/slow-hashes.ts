import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { HttpError } from "../http/message.ts";
import type { SlowKind } from "./stored-password.ts";

/** What the helper is asked, one at a time. */
export interface HashQuestion {
  readonly id: number;
  readonly kind: SlowKind;
  readonly stored: string;
  readonly password: string;
}

export interface HashAnswer {
  readonly id: number;
  readonly right: boolean;
}

/** Checks passwords against hashes that are made to be slow. */
export interface SlowHashes {
  /** Throws HttpError 503 when too many are waiting, or the helper cannot run. */
  check(kind: SlowKind, stored: string, password: string): Promise<boolean>;
  close(): void;
}

/** Checks that may wait; some seconds' worth. */
const maxWaiting = 64;
/** Nobody waits longer than this for an answer. Milliseconds. */
const patience = 30_000;
/** The helper ends when it had nothing to do for so long. Milliseconds. */
const idleTime = 15_000;

interface Waiting {
  readonly question: HashQuestion;
  /** True: once more, the helper died of it. */
  again: boolean;
  settle(answer: boolean | Error): void;
}

const busy = (sentence: string): HttpError => new HttpError(503, sentence, { "Retry-After": "10" });

/** Slow hashes are checked in a process of their own, one after the other and with low priority: the event loop goes on, what
 *  others ask comes first, 64 MB of argon2 and 40 MB of the helper are not this worker's, and are given back after a while. */
export function slowHashes(): SlowHashes {
  const waiting: Waiting[] = [];
  let helper: ChildProcess | undefined;
  let current: Waiting | undefined;
  let idle: NodeJS.Timeout | undefined;
  let late: NodeJS.Timeout | undefined;
  let lastId = 0;
  let closed = false;

  const next = (): void => {
    clearTimeout(late);
    current = waiting.shift();
    if (current === undefined) {
      idle = setTimeout(end, idleTime);
      idle.unref();
      return;
    }
    clearTimeout(idle);
    helper ??= start();
    late = setTimeout(() => helper?.kill("SIGKILL"), patience);
    helper.send(current.question, () => {});
  };
  const end = (): void => {
    const old = helper;
    helper = undefined;
    if (old?.connected === true) old.disconnect();
  };
  const start = (): ChildProcess => {
    const file = import.meta.url.endsWith(".ts") ? "hash-helper.ts" : "hash-helper.js";
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [
        ...process.execArgv.filter((word) => !/^--(?:test|inspect|max-semi)/.test(word)),
        "--max-old-space-size=64",
      ],
      env: { ...process.env, UV_THREADPOOL_SIZE: "1" },
    });
    // Neither process nor channel keep this one alive when it wants to end.
    child.unref();
    child.channel?.unref();
    child.on("message", (answer: HashAnswer) => {
      const asked = current;
      if (asked?.question.id !== answer.id) return;
      asked.settle(answer.right);
      next();
    });
    child.on("error", () => {});
    child.once("exit", () => {
      if (helper !== child) return;
      helper = undefined;
      const asked = current;
      if (asked === undefined) return;
      if (asked.again) asked.settle(busy("The password could not be checked; please try again."));
      else {
        asked.again = true;
        waiting.unshift(asked);
      }
      next();
    });
    return child;
  };

  return {
    check(kind, stored, password) {
      if (closed || waiting.length >= maxWaiting)
        return Promise.reject(busy("Too many passwords wait to be checked; please try again."));
      return new Promise((resolve, reject) => {
        waiting.push({
          question: { id: ++lastId, kind, stored, password },
          again: false,
          settle: (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)),
        });
        if (current === undefined) next();
      });
    },
    close() {
      closed = true;
      clearTimeout(idle);
      clearTimeout(late);
      for (const one of waiting.splice(0)) one.settle(busy("The server is being stopped."));
      current?.settle(busy("The server is being stopped."));
      current = undefined;
      end();
    },
  };
}
