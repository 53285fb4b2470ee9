import type { Worker } from "node:cluster";
import type { Socket } from "node:net";
import type { ConnectionTaker, Unread } from "./distributor.ts";
import type { DrainMode } from "./listener.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

/** A worker process as the master knows it. `starting` until it can serve; `leaving` when it was told to end or said so itself. */
export class Member implements ConnectionTaker {
  /** The worker's number; its place among the others. */
  readonly slot: number;
  readonly born = Date.now();
  state: "starting" | "ready" | "leaving" | "dead" = "starting";
  /** Why it could not serve. */
  failure: string | undefined;
  open = 0;
  lastTurn = 0;
  /** Resolves with true when it can serve, with false when it ended before. */
  readonly settled: Promise<boolean>;
  /** Resolves when the process and its output have ended. */
  readonly ended: Promise<void>;
  private readonly worker: Worker;
  private readonly handed = new Map<number, Unread>();
  private settle: (ready: boolean) => void = () => {};
  private lastId = 0;

  constructor(slot: number, worker: Worker) {
    this.slot = slot;
    this.worker = worker;
    this.failure = undefined;
    this.settled = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.ended = new Promise((resolve) => {
      worker.process.once("close", () => resolve());
    });
  }

  get pid(): number | undefined {
    return this.worker.process.pid;
  }

  /** Milliseconds since its start. */
  get age(): number {
    return Date.now() - this.born;
  }

  /** Hands it a connection. Our copy stays open until the worker says that it has its own, so that none gets lost. */
  take(socket: Socket, secure: boolean): void {
    const id = ++this.lastId;
    this.open++;
    this.handed.set(id, { socket, secure });
    this.tell({ type: "connection", id, secure }, socket);
  }

  /** Takes a message in as far as it is about this worker's own state. */
  hear(message: FromWorker): void {
    if (message.type === "took") {
      this.handed.get(message.id)?.socket.destroy();
      this.handed.delete(message.id);
    } else if (message.type === "ended") this.open -= message.count;
    else if (message.type === "failed") this.failure = message.message;
    else if (message.type === "ready" && this.state === "starting") {
      this.state = "ready";
      this.settle(true);
    } else if (message.type === "leaving" && this.state === "ready") this.state = "leaving";
  }

  /** The process is gone. Gives back the connections that had not reached it: nobody has read from them. */
  bury(): readonly Unread[] {
    this.state = "dead";
    this.settle(false);
    const lost = [...this.handed.values()];
    this.handed.clear();
    return lost;
  }

  /** Tells it to finish; cuts it off some seconds after its `patience`. */
  dismiss(mode: DrainMode, patience: number): void {
    if (this.state === "dead") return;
    if (this.state === "starting") this.kill();
    else this.tell({ type: "drain", mode, patience });
    this.state = "leaving";
    const cut = setTimeout(() => this.kill(), (patience + 5) * 1000);
    this.worker.once("exit", () => clearTimeout(cut));
  }

  kill(): void {
    this.worker.process.kill("SIGKILL");
  }

  tell(message: ToWorker, socket?: Socket): void {
    // A worker that dies at this moment is noticed by its exit; what was sent to it is dealt with then.
    if (this.worker.isConnected()) this.worker.process.send(message, socket, { keepOpen: true }, () => {});
  }
}
