import { createHash } from "node:crypto";
import { type Channel, channelFor, type Delivery, type Letter, noSupport, unavailable } from "./channels.ts";
import type { FollowUps } from "./follow-ups.ts";
import type { FollowUp, LettersJob, StoredMessage } from "./jobs.ts";
import { lettersName, lettersPrefix, outgoing, readJob, retryName, writeJob } from "./jobs.ts";
import type { SchedulingServices } from "./services.ts";

/** The role of the one process that sends. */
const role = "post";
/** How often who has not the role asks for it, and the queue is looked at without a notice, ms. */
const lookAgain = 2_000;
/** From a notice to the look at the queue, ms: one operation makes several. */
const soon = 10;
/** Messages under way on one lane that works. */
const width = 4;
/** The pause of a lane that fails, ms: doubled with each failure. */
const firstPause = 2_000;
const longestPause = 300_000;
/** What is under way when the process ends may take so long, ms. */
const lastMoment = 3_000;
/** How long a message is tried, ms; then its sender hears that it did not arrive. */
const patience = 48 * 3_600_000;

interface Waiting {
  readonly name: string;
  job: LettersJob;
  isRunning: boolean;
  triedAt: number;
}

interface Lane {
  failures: number;
  notBefore: number;
  running: number;
}

/** Carries the letters of the queue to the channels. Of all workers and hosts one process does, whoever has the role; when it dies
 *  another takes it up. Lanes do not wait for each other. On one lane, what is about one UID goes in order; a lane that fails is tried
 *  with one message at a time, after longer and longer pauses, the longest waiting first: no message stands in the others' way. */
export class Post {
  readonly #services: SchedulingServices;
  readonly #followUps: FollowUps;
  readonly #lanes = new Map<string, Lane>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #running = new Set<Promise<void>>();
  #giveUpRole: (() => void) | undefined;
  #endNotices: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isClosed = false;
  /** Something waits for the end of another job. */
  #isHeld = false;

  constructor(services: SchedulingServices, followUps: FollowUps) {
    this.#services = services;
    this.#followUps = followUps;
  }

  /** Begins to send, or to wait until the process that does is gone. */
  start(): void {
    if (this.#services.channels.length === 0 || this.#endNotices !== undefined || this.#isClosed) return;
    this.#endNotices = this.#services.store.jobs.watch((name) => {
      if (this.#giveUpRole !== undefined && name.startsWith(lettersPrefix)) this.#lookIn(soon);
    });
    this.#lookIn(0);
  }

  #lookIn(ms: number): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // One look after the other: two at once would both begin with what is new to both.
      this.#looking = (this.#looking ?? Promise.resolve())
        .then(() => this.#look())
        .catch((error: unknown) => {
          this.#services.warn("the queue of messages cannot be read", { error });
          this.#lookIn(lookAgain);
        });
    }, ms);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const { store } = this.#services;
    this.#giveUpRole ??= store.claim(role);
    if (this.#giveUpRole === undefined) return this.#lookIn(lookAgain);
    const names = new Set(await store.jobs.list());
    if (names.has(retryName)) {
      await store.jobs.remove(retryName);
      for (const lane of this.#lanes.values()) lane.notBefore = 0;
    }
    for (const name of this.#waiting.keys())
      if (!names.has(name) && this.#waiting.get(name)?.isRunning === false) this.#waiting.delete(name);
    for (const name of names) {
      if (!name.startsWith(lettersPrefix) || this.#waiting.has(name)) continue;
      const text = await store.jobs.read(name);
      const job = text === undefined ? undefined : readJob(text);
      if (job?.kind === "letters") this.#waiting.set(name, { name, job, isRunning: false, triedAt: 0 });
    }
    this.#lookIn(this.#begin(names));
  }

  /** Begins what may begin. `names`: the jobs there are. Answers when to look again, ms. */
  #begin(names: ReadonlySet<string>): number {
    const now = Date.now();
    let next = lookAgain;
    const busy = new Set<string>();
    const inOrder = [...this.#waiting.values()].sort((a, b) => a.job.since - b.job.since);
    const ready: Waiting[] = [];
    this.#isHeld = false;
    for (const one of inOrder) {
      const { channel, lane, uid, after } = one.job;
      const thread = `${channel} ${lane} ${uid}`;
      if (busy.has(thread)) continue;
      busy.add(thread);
      if (one.isRunning) continue;
      // Its end is not told by the name of a letter.
      if (after !== undefined && names.has(after)) {
        next = Math.min(next, 5 * soon);
        this.#isHeld = true;
      } else ready.push(one);
    }
    for (const one of ready.sort((a, b) => a.triedAt - b.triedAt)) {
      const lane = this.#laneOf(one.job);
      const pause = lane.notBefore - now;
      if (pause > 0) next = Math.min(next, pause);
      else if (lane.running < (lane.failures > 0 ? 1 : width)) this.#run(one, lane);
    }
    return next;
  }

  #laneOf({ channel, lane }: LettersJob): Lane {
    const key = `${channel} ${lane}`;
    const known = this.#lanes.get(key) ?? { failures: 0, notBefore: 0, running: 0 };
    this.#lanes.set(key, known);
    return known;
  }

  #run(one: Waiting, lane: Lane): void {
    one.isRunning = true;
    one.triedAt = Date.now();
    lane.running += 1;
    const run = this.#send(one)
      .then(
        (problem) => this.#note(one.job, lane, problem),
        (error: unknown) => this.#note(one.job, lane, error),
      )
      .finally(() => {
        one.isRunning = false;
        lane.running -= 1;
        this.#running.delete(run);
        this.#lookIn(0);
      });
    this.#running.add(run);
  }

  /** What a try says of its lane. */
  #note({ channel, lane: name, uid }: LettersJob, lane: Lane, problem: unknown): void {
    if (problem === undefined) {
      if (lane.failures > 0) this.#services.warn("messages are delivered again", { channel, to: name });
      lane.failures = 0;
      lane.notBefore = 0;
      return;
    }
    if (this.#isClosed) return; // broken off
    const pause = Math.min(longestPause, firstPause * 2 ** lane.failures);
    lane.failures = Math.min(lane.failures + 1, 20);
    lane.notBefore = Date.now() + pause;
    const details = { channel, to: name, uid: uid.slice(0, 200), seconds: pause / 1000, error: problem };
    this.#services.warn("messages cannot be delivered now; they are tried again", details);
  }

  /** Sends what is left of a job. Answers why some of it must wait; undefined: all is done. */
  async #send(one: Waiting): Promise<unknown> {
    const { channels } = this.#services;
    const channel = channels.find(({ name }) => name === one.job.channel);
    let problem: unknown;
    while (one.job.letters.length > 0) {
      const [letter] = one.job.letters;
      if (letter === undefined || this.#isClosed) return problem;
      const to = letter.recipients.slice(0, channel?.batch ?? letter.recipients.length);
      const { results, why } = await this.#deliver(channel, one.job, letter, to);
      const waits = results.filter((result) => "again" in result && result.again === "later");
      problem ??= waits.length > 0 ? why : undefined;
      const rest = waits.map(({ recipient }) => recipient);
      // The order of messages to one person must not change: the rest of this job waits too.
      await this.#settle(one, results, rest);
      if (rest.length > 0) return problem;
    }
    await this.#services.store.jobs.remove(one.name);
    this.#waiting.delete(one.name);
    return problem;
  }

  async #deliver(
    channel: Channel | undefined,
    { id, since, lane }: LettersJob,
    stored: StoredMessage,
    to: readonly string[],
  ): Promise<{ readonly results: readonly Delivery[]; readonly why: unknown }> {
    const isLate = Date.now() - since > patience;
    const again = (because: string): Delivery[] =>
      to.map((recipient) =>
        isLate ? { recipient, status: unavailable } : { recipient, again: "later" as const, because },
      );
    if (channel === undefined)
      return { results: again("the channel is switched off"), why: "the channel is switched off" };
    const { message, source } = outgoing(stored);
    const letter: Letter = {
      message: { ...message, recipients: to },
      text: source.text,
      id: createHash("md5")
        .update(`${id} ${channel.name} ${lane} ${to.join(" ")} ${source.text}`)
        .digest("hex"),
      since,
    };
    try {
      const told = new Map((await channel.deliver(letter, to)).map((result) => [result.recipient, result]));
      const results = to.map((recipient) => told.get(recipient) ?? { recipient, status: unavailable });
      const late = results.map((result) =>
        isLate && "again" in result ? { recipient: result.recipient, status: unavailable } : result,
      );
      const [why] = results.flatMap((result) => ("again" in result ? [result.because] : []));
      return { results: late, why };
    } catch (error) {
      return { results: again("the peer does not answer"), why: error };
    }
  }

  /** Writes down what was told of some recipients of the first letter; `rest`: those of them that wait. */
  async #settle(one: Waiting, results: readonly Delivery[], rest: readonly string[]): Promise<void> {
    const { store } = this.#services;
    const { job } = one;
    const [first, ...others] = job.letters;
    if (first === undefined || rest.length === results.length) return;
    const done = new Set(results.map(({ recipient }) => recipient));
    const left = [...rest, ...first.recipients.filter((recipient) => !done.has(recipient))];
    const codes: Record<string, string> = {};
    const passedOn: string[] = [];
    for (const result of results)
      if ("status" in result) codes[result.recipient] = result.status.split(";")[0] ?? "";
      else if (result.again === "elsewhere") passedOn.push(result.recipient);
    const moved = await this.#passOn(job, first, passedOn);
    for (const recipient of moved.lost) codes[recipient] = noSupport.split(";")[0] ?? "";
    const next: LettersJob = {
      ...job,
      letters: left.length === 0 ? others : [{ ...first, recipients: left }, ...others],
    };
    const later: FollowUp[] =
      job.sender === undefined || Object.keys(codes).length === 0
        ? []
        : [{ kind: "told", owner: job.sender, uid: job.uid, codes }];
    await store.exclusively("uid", job.uid, async () => {
      for (const follow of later) await this.#followUps.add(follow);
    });
    for (const { name, letters } of moved.jobs) await store.jobs.put(name, writeJob(letters));
    if (next.letters.length > 0) await store.jobs.put(one.name, writeJob(next));
    one.job = next;
    this.#followUps.begin(later);
  }

  /** Jobs of the next channels for recipients that a channel could not serve after all. */
  async #passOn(
    job: LettersJob,
    letter: StoredMessage,
    recipients: readonly string[],
  ): Promise<{
    readonly jobs: readonly { readonly name: string; readonly letters: LettersJob }[];
    readonly lost: readonly string[];
  }> {
    const { channels } = this.#services;
    const next = channels.slice(channels.findIndex(({ name }) => name === job.channel) + 1);
    const jobs = [];
    const lost: string[] = [];
    for (const recipient of recipients) {
      const channel = await channelFor(recipient, next);
      if (channel === undefined) {
        lost.push(recipient);
        continue;
      }
      const lane = channel.laneOf(recipient);
      const letters = { ...job, channel: channel.name, lane, letters: [{ ...letter, recipients: [recipient] }] };
      jobs.push({ name: lettersName(`${job.id} ${letter.method} ${recipient}`, channel.name, lane), letters });
    }
    return { jobs, lost };
  }

  /** Resolves when nothing is under way and nothing could begin. */
  async idle(): Promise<void> {
    if (this.#endNotices === undefined) return;
    for (;;) {
      this.#lookIn(0);
      await new Promise((resolve) => setTimeout(resolve, soon));
      await this.#looking;
      if (this.#running.size === 0 && this.#giveUpRole !== undefined && !this.#isHeld) return;
      await Promise.all(this.#running);
    }
  }

  /** Waits a moment for what is under way, then breaks it off; the rest is in the queue. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#endNotices?.();
    await this.#looking;
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, lastMoment);
    });
    await Promise.race([Promise.all(this.#running), enough]);
    clearTimeout(timer);
    for (const channel of this.#services.channels) await channel.close?.();
    await Promise.all(this.#running);
    this.#giveUpRole?.();
  }
}
