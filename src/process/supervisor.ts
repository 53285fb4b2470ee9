import cluster from "node:cluster";
import { randomUUID } from "node:crypto";
import type { Logger } from "../base/log.ts";
import type { Identity } from "../base/privileges.ts";
import { allocatorEnvironment } from "./allocator.ts";
import { Distributor } from "./distributor.ts";
import { collectLines } from "./line-pipe.ts";
import { Member } from "./member.ts";
import { type FromWorker, patience } from "./protocol.ts";
import { Respawn } from "./respawn.ts";
import type { ListenAddress, ProcessSettings } from "./settings.ts";
import type { TlsMaterial } from "./tls-files.ts";

/** What the workers are started with. */
export interface Plan {
  readonly settings: ProcessSettings;
  readonly tls: TlsMaterial | undefined;
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

/** A place for one worker. */
interface Slot {
  readonly number: number;
  member: Member | undefined;
  readonly respawn: Respawn;
  timer: NodeJS.Timeout | undefined;
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Keeps a number of workers alive and gives them connections. Never reads a request. */
export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly distributor: Distributor;
  private readonly startId = randomUUID();
  private readonly slots = new Map<number, Slot>();
  private readonly members = new Set<Member>();
  private plan: Plan;
  private begun = false;
  private stopping: Promise<void> | undefined;
  private rolling: Promise<unknown> = Promise.resolve();

  constructor(plan: Plan, options: SupervisorOptions) {
    this.plan = plan;
    this.options = options;
    this.distributor = new Distributor(plan.settings.scheduler, options.log);
    this.stopping = undefined;
  }

  /** Listens, and starts the workers. Resolves with the addresses when all workers serve. Throws when an address cannot be had, or
   *  when every worker ended before it could serve, with the reason of one; a single one that fails is tried again, as any
   *  worker that dies. */
  async start(): Promise<readonly ListenAddress[]> {
    const { settings } = this.plan;
    const addresses = await this.distributor.listen(settings.addresses, settings.backlog);
    const first: Member[] = [];
    for (let number = 1; number <= settings.processCount; number++) {
      if (number > 1 && settings.stagger > 0) await wait(settings.stagger);
      if (this.stopping === undefined) first.push(this.launch(this.slot(number), this.plan));
    }
    const results = await Promise.all(first.map((member) => member.settled));
    if (!results.includes(true)) {
      this.distributor.close();
      const reason = first.find((member) => member.failure !== undefined)?.failure;
      throw new Error(reason ?? "every worker ended before it could serve; the error log says more");
    }
    this.begun = true;
    for (const member of first) if (member.state === "dead") this.replace(member);
    return addresses;
  }

  /** Replaces all workers, one at a time, by such with a new plan. No connection is refused and none is reset: each old worker
   *  gets connections until its successor serves, and ends when its last client has left. Resolves with a sentence when the
   *  plan cannot be served: then the old workers stay. A `stop` in the midst of it ends it without a word. */
  roll(plan: Plan): Promise<string | undefined> {
    const next = this.rolling.then(() => this.rollNow(plan));
    this.rolling = next.catch(() => {});
    return next;
  }

  /** Accepts no more and tells all workers to finish; resolves when they are gone. Requests under way have 30 seconds. */
  stop(): Promise<void> {
    this.stopping ??= (async () => {
      this.distributor.close();
      for (const slot of this.slots.values()) clearTimeout(slot.timer);
      const members = [...this.members];
      for (const member of members) member.dismiss("close", patience);
      await Promise.all(members.map((member) => member.ended));
    })();
    return this.stopping;
  }

  /** Ends all workers at once. */
  kill(): void {
    for (const member of this.members) member.kill();
  }

  private async rollNow(plan: Plan): Promise<string | undefined> {
    const { settings } = plan;
    try {
      await this.distributor.listen(settings.addresses, settings.backlog);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    for (let number = 1; number <= settings.processCount; number++) {
      if (this.stopping !== undefined) return undefined;
      const slot = this.slot(number);
      const old = slot.member;
      clearTimeout(slot.timer);
      const fresh = this.launch(slot, plan);
      if (!(await fresh.settled)) {
        if (this.stopping !== undefined) return undefined;
        await this.distributor.listen(this.plan.settings.addresses, this.plan.settings.backlog).catch(() => {});
        if (old !== undefined && old.state === "ready") {
          clearTimeout(slot.timer);
          slot.member = old;
        }
        return fresh.failure ?? `worker ${number} ended before it could serve`;
      }
      this.plan = plan;
      this.distributor.scheduler = settings.scheduler;
      if (old !== undefined) this.retire(old);
      if (settings.stagger > 0 && number < settings.processCount) await wait(settings.stagger);
    }
    for (const slot of [...this.slots.values()].filter(({ number }) => number > settings.processCount)) {
      clearTimeout(slot.timer);
      this.slots.delete(slot.number);
      if (slot.member !== undefined) this.retire(slot.member);
    }
    return undefined;
  }

  /** Lets a worker end when its clients have left. */
  private retire(member: Member): void {
    this.distributor.dismiss(member);
    member.dismiss("linger", this.plan.settings.idleTimeout + patience);
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
      // Node's 16 MB three times over is more than the live data of a worker; at 8 MB collecting costs a few percent more.
      execArgv: [...process.execArgv, "--max-semi-space-size=8"],
      stdio: ["ignore", "pipe", "pipe", "ipc", this.options.accessLogFd],
      // Unprivileged from birth, while the master may hold ports below 1024 (and gives up its groups for them).
      ...(plan.identity === undefined ? {} : { uid: plan.identity.uid, gid: plan.identity.gid }),
    });
    const worker = cluster.fork(allocatorEnvironment(process.env, plan.settings.kerberos));
    const member = new Member(slot.number, worker);
    slot.member = member;
    this.members.add(member);
    for (const stream of [worker.process.stdout, worker.process.stderr])
      if (stream !== null) collectLines(stream, this.options.output);
    worker.on("message", (message: FromWorker) => this.heard(member, message, plan));
    worker.on("error", (error) => {
      member.failure ??= error.message;
      this.options.log.error("a worker could not be reached", { worker: slot.number, error });
    });
    worker.once("exit", (code: number | null, signal: string | null) => this.gone(member, slot, code, signal));
    return member;
  }

  private heard(member: Member, message: FromWorker, { settings, tls, config }: Plan): void {
    const before = member.state;
    member.hear(message);
    if (message.type === "news") {
      for (const other of this.members) if (other !== member && other.state === "ready") other.tell(message);
    } else if (message.type === "here") {
      const job = { worker: member.slot, startId: this.startId, settings, tls, config };
      if (before === "starting") member.tell({ type: "start", job });
    } else if (before === "starting" && member.state === "ready") {
      this.options.log.info("a worker serves", { worker: member.slot, process: member.pid, milliseconds: member.age });
      this.distributor.admit(member);
    } else if (before === "ready" && member.state === "leaving") {
      this.distributor.dismiss(member);
      this.replace(member);
    }
  }

  private gone(member: Member, slot: Slot, code: number | null, signal: string | null): void {
    const before = member.state;
    this.members.delete(member);
    this.distributor.dismiss(member);
    for (const { socket, secure } of member.bury()) this.distributor.offer(socket, secure);
    if (this.stopping !== undefined || before === "leaving") return;
    const { failure, pid, age } = member;
    this.options.log.warn("a worker died", {
      worker: slot.number,
      process: pid,
      code,
      signal,
      failure,
      milliseconds: age,
    });
    if (this.begun) this.replace(member);
  }

  /** Fills the place of a member that is dead or leaving, after the delay its slot has earned. */
  private replace(member: Member): void {
    const slot = this.slots.get(member.slot);
    if (this.stopping !== undefined || slot?.member !== member) return;
    clearTimeout(slot.timer);
    slot.timer = setTimeout(() => {
      if (this.stopping === undefined && slot.member === member) this.launch(slot, this.plan);
    }, slot.respawn.delay(member.age));
  }
}
