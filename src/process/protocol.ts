import type { DrainMode } from "./listener.ts";
import type { ProcessSettings } from "./settings.ts";
import type { TlsMaterial } from "./tls-files.ts";

/** What a worker is to do. Plain data. */
export interface Job {
  /** From 1; the access log's `i=`. A worker that takes another's place takes its number. */
  readonly worker: number;
  /** The same for all workers of one start of the server, also for those that come later. */
  readonly startId: string;
  readonly settings: ProcessSettings;
  readonly tls?: TlsMaterial | undefined;
  /** For `createServer`; this floor does not look into it. */
  readonly config: unknown;
}

/** From the master to a worker. */
export type ToWorker =
  | { readonly type: "start"; readonly job: Job }
  /** Comes with a socket, on which TLS is to be spoken if `secure`. Answered with `took` before anything is read from it. */
  | { readonly type: "connection"; readonly id: number; readonly secure: boolean }
  /** Finish what is under way, then exit with 0; `patience` in seconds. */
  | { readonly type: "drain"; readonly mode: DrainMode; readonly patience: number }
  /** What another worker passed on. */
  | { readonly type: "news"; readonly news: readonly unknown[] };

/** From a worker to the master. */
export type FromWorker =
  /** Its modules are loaded and it listens for messages. Nothing may be sent before: node:cluster takes messages from the first
   *  moment and drops what no listener of ours hears. */
  | { readonly type: "here" }
  | { readonly type: "ready" }
  | { readonly type: "took"; readonly id: number }
  /** So many of its connections have ended since it last said so. */
  | { readonly type: "ended"; readonly count: number }
  /** For all other workers; this floor does not look into it. */
  | { readonly type: "news"; readonly news: readonly unknown[] }
  /** It cannot serve; it exits with 1 after this. */
  | { readonly type: "failed"; readonly message: string }
  /** It is going to exit by itself and accepts nothing any more: another should take its place now. */
  | { readonly type: "leaving" };

/** Descriptor of the access log's pipe in a worker: behind stdin, stdout, stderr and the IPC channel. */
export const accessLogFd = 4;

/** Seconds that requests under way have when the server or a worker stops. */
export const patience = 30;
