import cluster, { type Worker } from "node:cluster";
import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import type { Logger } from "../base/log.ts";
import { watchHandoffs } from "./handoffs.ts";
import { collectLines } from "./line-pipe.ts";
import type { DrainMode } from "./listener.ts";
import type { Identity } from "./privileges.ts";
import { type FromWorker, patience, type ToWorker } from "./protocol.ts";
import { Respawn } from "./respawn.ts";
import type { ListenAddress, ProcessSettings } from "./settings.ts";

/** What the workers are started with. */
export interface Plan {
  readonly settings: ProcessSettings;
  /** Handed to the workers' `createServer`. */
  readonly config: unknown;
  /** Who the workers run as; undefined: as the master. */
  readonly identity: Identity | undefined;
}

export interface SupervisorOptions {
  readonly log: Logger;
  /** The descriptor of the access log's pipe, to be inherited by workers. */
  readonly accessLogFd: number;
  /** Whole lines that workers wrote to standard output or standard error. */
  readonly output: (lines: Buffer) => void;
}

/** A worker process. `starting` until it listens; `leaving` when it was told to end or said so itself. */
interface Member {
  readonly process: Worker;
  readonly slot: Slot;
  readonly born: number;
  state: "starting" | "ready" | "leaving" | "dead";
  addresses: readonly ListenAddress[];
  /** Why it could not serve. */
  failure: string | undefined;
  /** Resolves with true when it listens, with false when it ended before. */
  readonly settled: Promise<boolean>;
  settle: (ready: boolean) => void;
  ended: Promise<void>;
}

/** A place for one worker. */
interface Slot {
  readonly number: number;
  member: Member | undefined;
  readonly respawn: Respawn;
  timer: NodeJS.Timeout | undefined;
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Keeps a number of workers alive. Never reads a request: connections are handed out round robin by node:cluster.
 *  Round robin, not the kernel's choice: measured with 8 keep-alive connections over 2 workers, the kernel gave one of them
 *  four fifths of the work. */
export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly startId = randomUUID();
  private readonly slots = new Map<number, Slot>();
  private readonly members = new Set<Member>();
  private plan: Plan;
  private stopping: Promise<void> | undefined;
  private rolling: Promise<unknown> = Promise.resolve();
  private begun = false;

  constructor(plan: Plan, options: SupervisorOptions) {
    this.plan = plan;
    this.options = options;
  }

  /** Starts the workers. Resolves with their addresses when all listen. Throws when every one of them ended before it
   *  listened, with the reason of one; a single one that fails is tried again, as any worker that dies. */
  async start(): Promise<readonly ListenAddress[]> {
    const { settings } = this.plan;
    const first: Member[] = [];
    for (let number = 1; number <= settings.processCount; number++) {
      if (number > 1 && settings.stagger > 0) await wait(settings.stagger);
      first.push(this.launch(this.slot(number), this.plan));
    }
    const results = await Promise.all(first.map((member) => member.settled));
    if (!results.includes(true)) {
      const reason = first.find((member) => member.failure !== undefined)?.failure;
      throw new Error(reason ?? "every worker ended before it could listen; the error log says more");
    }
    this.begun = true;
    for (const member of first) if (member.state === "dead") this.replace(member);
    return first.find((member) => member.addresses.length > 0)?.addresses ?? [];
  }

  /** Replaces all workers, one at a time, by such with a new plan. No connection is refused and none is reset: each old worker
   *  goes on listening until its successor does, and ends when its last client has left. Resolves with a sentence when a
   *  successor could not serve: then the old workers stay. */
  roll(plan: Plan): Promise<string | undefined> {
    const next = this.rolling.then(() => this.rollNow(plan));
    this.rolling = next.catch(() => {});
    return next;
  }

  /** Tells all workers to finish; resolves when they are gone. Requests under way have 30 seconds. */
  stop(): Promise<void> {
    this.stopping ??= (async () => {
      for (const slot of this.slots.values()) clearTimeout(slot.timer);
      for (const member of this.members) this.dismiss(member, "close", patience);
      await Promise.all([...this.members].map((member) => member.ended));
    })();
    return this.stopping;
  }

  /** Ends all workers at once. */
  kill(): void {
    for (const member of this.members) member.process.process.kill("SIGKILL");
  }

  /** Process ids of the workers that listen, by slot. */
  get pids(): readonly number[] {
    return [...this.members].flatMap((member) => (member.state === "ready" ? [member.process.process.pid ?? 0] : []));
  }

  private async rollNow(plan: Plan): Promise<string | undefined> {
    for (let number = 1; number <= plan.settings.processCount; number++) {
      if (this.stopping !== undefined) return undefined;
      const slot = this.slot(number);
      const old = slot.member;
      clearTimeout(slot.timer);
      const fresh = this.launch(slot, plan);
      if (!(await fresh.settled)) {
        if (old !== undefined && old.state !== "dead") slot.member = old;
        else this.replace(fresh);
        return fresh.failure ?? `worker ${number} ended before it could listen`;
      }
      this.plan = plan;
      if (old !== undefined) this.dismiss(old, "linger", plan.settings.idleTimeout + patience);
      if (plan.settings.stagger > 0 && number < plan.settings.processCount) await wait(plan.settings.stagger);
    }
    for (const slot of [...this.slots.values()].filter(({ number }) => number > plan.settings.processCount)) {
      clearTimeout(slot.timer);
      this.slots.delete(slot.number);
      if (slot.member !== undefined) this.dismiss(slot.member, "linger", plan.settings.idleTimeout + patience);
    }
    return undefined;
  }

  private slot(number: number): Slot {
    const known = this.slots.get(number);
    if (known !== undefined) return known;
    const slot: Slot = { number, member: undefined, respawn: new Respawn(), timer: undefined };
    this.slots.set(number, slot);
    return slot;
  }

  private launch(slot: Slot, plan: Plan): Member {
    cluster.setupPrimary({
      args: [],
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc", this.options.accessLogFd],
      // Unprivileged from birth, while the master may hold ports below 1024 (and gives up its groups for them).
      ...(plan.identity === undefined ? {} : { uid: plan.identity.uid, gid: plan.identity.gid }),
    });
    const worker = cluster.fork();
    watchHandoffs(worker.process);
    let settle: (ready: boolean) => void = () => {};
    const settled = new Promise<boolean>((resolve) => {
      settle = resolve;
    });
    const member: Member = {
      process: worker,
      slot,
      born: Date.now(),
      state: "starting",
      addresses: [],
      failure: undefined,
      settled,
      settle,
      ended: Promise.resolve(),
    };
    slot.member = member;
    this.members.add(member);
    for (const stream of [worker.process.stdout, worker.process.stderr])
      if (stream !== null) void collectLines(stream as Readable, this.options.output, 0);
    worker.on("message", (message: FromWorker) => this.heard(member, message, plan));
    worker.on("error", (error) => {
      member.failure ??= error.message;
      this.options.log.error("a worker could not be reached", { worker: slot.number, error });
    });
    member.ended = new Promise((resolve) => {
      worker.process.once("close", () => resolve());
    });
    worker.once("exit", (code, signal) => this.gone(member, code, signal));
    return member;
  }

  private heard(member: Member, message: FromWorker, { settings, config }: Plan): void {
    if (message.type === "here") {
      const job = { worker: member.slot.number, startId: this.startId, settings, config };
      if (member.state === "starting") this.tell(member, { type: "start", job });
    } else if (message.type === "ready") {
      member.addresses = message.addresses;
      if (member.state === "starting") member.state = "ready";
      this.options.log.info("a worker accepts connections", {
        worker: member.slot.number,
        pid: member.process.process.pid,
        milliseconds: Date.now() - member.born,
      });
      member.settle(true);
    } else if (message.type === "failed") member.failure = message.message;
    else if (member.state === "ready") {
      member.state = "leaving";
      if (member.slot.member === member) this.replace(member);
    }
  }

  private gone(member: Member, code: number | null, signal: string | null): void {
    const before = member.state;
    member.state = "dead";
    this.members.delete(member);
    member.settle(false);
    if (this.stopping !== undefined || before === "leaving") return;
    const { log } = this.options;
    log.warn("a worker died", {
      worker: member.slot.number,
      pid: member.process.process.pid,
      code,
      signal,
      failure: member.failure,
      seconds: Math.round((Date.now() - member.born) / 1000),
    });
    if (this.begun && before === "ready") this.replace(member);
    else if (this.begun && member.slot.member === member) this.replace(member);
  }

  /** Fills the place of a member that is dead or leaving, after the delay its slot has earned. */
  private replace(member: Member): void {
    const { slot } = member;
    if (this.stopping !== undefined || slot.member !== member || this.slots.get(slot.number) !== slot) return;
    clearTimeout(slot.timer);
    slot.timer = setTimeout(
      () => {
        if (this.stopping === undefined && slot.member === member) this.launch(slot, this.plan);
      },
      slot.respawn.delay(Date.now() - member.born),
    );
  }

  /** Tells a member to finish; cuts it off when it has not by then. */
  private dismiss(member: Member, mode: DrainMode, seconds: number): void {
    if (member.state === "dead") return;
    const { process: worker } = member;
    if (member.state === "starting") worker.process.kill("SIGKILL");
    else this.tell(member, { type: "drain", mode, patience: seconds });
    member.state = "leaving";
    const cut = setTimeout(() => worker.process.kill("SIGKILL"), (seconds + 5) * 1000);
    worker.once("exit", () => clearTimeout(cut));
  }

  private tell(member: Member, message: ToWorker): void {
    if (!member.process.isConnected()) return;
    // A worker that dies at this moment is noticed by its exit; the message to it is lost with it.
    member.process.send(message, () => {});
  }
}
