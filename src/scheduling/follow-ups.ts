import { randomUUID } from "node:crypto";
import { replyMessage, withReplyStatus } from "../itip/attendee.ts";
import { type Answered, autoAccept, horizonOf } from "../itip/auto-accept.ts";
import { attendeeIn, organizerOf, partstatOf } from "../itip/people.ts";
import { type RefreshReason, refreshes } from "../itip/refresh.ts";
import { componentAt, componentsOf, type Key, membersOf, seriesOf } from "../itip/series.ts";
import type { TimeRange } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import { unavailableTime } from "./availability.ts";
import { type Copy, copyOf } from "./copies.ts";
import { asOutgoing, codeOf, deliverAll } from "./deliver.ts";
import { type BusyCalendar, busyTime } from "./free-busy.ts";
import { freeBusySet } from "./free-busy-set.ts";
import { updateMembers } from "./groups.ts";
import { type FollowUp, followUpName, isFollowUp, type Job, joined, readJob, writeJob } from "./jobs.ts";
import { withUid } from "./leftovers.ts";
import type { Dispatch } from "./local.ts";
import { People } from "./people.ts";
import { withLaterStatuses } from "./plan.ts";
import type { SchedulingServices } from "./services.ts";
import { putObject, withText } from "./store-object.ts";

/** How long nobody has answered when the others are told of answers, ms: replies come in bursts. */
const gathering = 100;
/** The longest that an answer waits for others after it, ms. */
const longestGathering = 1000;
const attempts = 8;
/** Instances of busy time looked at for one room. */
const maxInstances = 20_000;

/** What is done for an object when the lock of its UID is free: rooms answer, attendees hear of answers. Each is written down before
 *  the operation that causes it ends. */
export class FollowUps {
  readonly #services: SchedulingServices;
  /** Jobs that are going to run, by name: whether there was something new since they began to wait. */
  readonly #waiting = new Map<string, boolean>();
  readonly #running = new Set<Promise<void>>();
  #isClosed = false;

  constructor(services: SchedulingServices) {
    this.#services = services;
  }

  /** Writes one down. The lock of its UID is held. */
  async add(next: FollowUp): Promise<void> {
    const { jobs } = this.#services.store;
    const name = followUpName(next);
    const text = await jobs.read(name);
    const known = text === undefined ? undefined : readJob(text);
    const job = joined(known, next);
    // What the other had begun, if its process died, is known by its id.
    const begun = known !== undefined && isFollowUp(known) ? known.id : undefined;
    await jobs.put(name, writeJob({ ...job, id: begun ?? randomUUID(), isRepeated: begun !== undefined }));
  }

  /** Writes one down that no operation causes, and begins it. The lock of its UID is free. */
  async addNow(next: FollowUp): Promise<void> {
    await this.#services.store.exclusively("uid", next.uid, () => this.add(next));
    this.begin([next]);
  }

  /** Begins what was written down; answers at once. */
  begin(later: readonly FollowUp[]): void {
    for (const next of later) this.start(followUpName(next), next.kind === "answer" ? 0 : gathering);
  }

  /** Begins a job by its name, if it is not about to begin. `isRepeated`: a process that died may have done some of it. */
  start(name: string, delay: number, isRepeated = false): void {
    if (this.#waiting.has(name)) this.#waiting.set(name, true);
    if (this.#waiting.has(name) || this.#isClosed) return;
    this.#waiting.set(name, false);
    const run = this.#quiet(name, delay)
      .then(() => {
        this.#waiting.delete(name);
        return this.#isClosed ? undefined : this.#run(name, isRepeated);
      })
      .catch((error: unknown) => this.#services.warn("a scheduling job failed; it stays in the queue", { name, error }))
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Resolves when nothing new has come for so long, or when it has waited long enough. */
  async #quiet(name: string, delay: number): Promise<void> {
    for (let waited = 0; ; waited += delay) {
      await wait(delay);
      if (delay === 0 || waited + delay >= longestGathering || this.#isClosed || !this.#waiting.get(name)) return;
      this.#waiting.set(name, false);
    }
  }

  async #run(name: string, isRepeated: boolean): Promise<void> {
    const { store } = this.#services;
    const text = await store.jobs.read(name);
    const job = text === undefined ? undefined : readJob(text);
    if (job === undefined || !isFollowUp(job)) return;
    const later: FollowUp[] = [];
    await withUid(job.uid, this.#services, this, async () => {
      const now = await store.jobs.read(name);
      const current: Job | undefined = now === undefined ? undefined : readJob(now);
      if (current === undefined || !isFollowUp(current)) return;
      await this.#do(current, later, isRepeated);
      for (const next of later) await this.add(next);
      await store.jobs.remove(name);
    });
    this.begin(later);
  }

  async #do(job: FollowUp, later: FollowUp[], isRepeated: boolean): Promise<void> {
    const owner = await this.#services.userByUid(job.owner);
    const copy = owner && (await copyOf(owner, job.uid, this.#services.store));
    if (owner === undefined || copy === undefined) return;
    const people = new People((address) => this.#services.calendarUser(address));
    people.add(owner);
    await people.learn(copy.object.root);
    const dispatch: Dispatch = {
      id: job.id ?? randomUUID(),
      people,
      may: undefined,
      isRepeated: isRepeated || job.isRepeated === true,
      job: followUpName(job),
      followUp: (next) => void later.push(next),
    };
    if (job.kind === "answer") await this.#answer(owner, job.uid, dispatch);
    else if (job.kind === "members") await updateMembers(owner, job.uid, dispatch, this.#services);
    else if (job.kind === "told") await this.#tell(owner, job, people);
    else {
      const { to, except, asked, invited } = job;
      const isNew = new Set(invited?.map(people.identify));
      const why = (person: string): RefreshReason | undefined => {
        if (isNew.has(person)) return "invited";
        if (asked?.includes(person)) return "asked";
        return (to === undefined ? person !== except : to.includes(person)) ? "answers" : undefined;
      };
      const messages = refreshes(copy.object.root, why, owner.uid, people.identify, this.#services.now());
      await deliverAll(asOutgoing(messages), dispatch, this.#services);
    }
  }

  /** A room or resource answers. Looking whether it is free and taking the time is one step for all workers: two cannot both find
   *  it free. */
  async #answer(room: Principal, uid: string, dispatch: Dispatch): Promise<void> {
    const { store, now } = this.#services;
    const { people, isRepeated } = dispatch;
    const { identify } = people;
    // Says of the room's copy that this job has answered in it.
    const tag = `"${dispatch.id}"`;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const done = await store.exclusively("person", room.uid, async () => {
        const copy = await copyOf(room, uid, store);
        if (copy === undefined) return "done";
        await people.learn(copy.object.root);
        const { root, answered } = await this.#answered(room, copy, people);
        if (root === copy.object.root)
          return isRepeated ? { object: copy.object, answered: await this.#untold(room, copy, tag, people) } : "done";
        const marked = answered.size === 0 ? root : withReplyStatus(root, "1.2");
        const object = withText(marked, [copy.object]);
        if ((await putObject(copy.collection, copy.entry.name, object, copy.entry, tag)) === undefined)
          return undefined;
        return { object, answered };
      });
      if (done === "done") return;
      if (done === undefined) continue;
      if (done.answered.size === 0) return;
      const reply = replyMessage(seriesOf(done.object.root), done.answered, { owner: room.uid, identify, now: now() });
      const statuses = await deliverAll(asOutgoing([reply]), dispatch, this.#services);
      const [status] = statuses.values();
      if (status !== undefined && codeOf(status) !== "1.2") await this.#correct(room, uid, codeOf(status));
      return;
    }
  }

  /** What a process that died may not have told the room's organizer: the answers it gave in this job, or what his copy says
   *  otherwise. */
  async #untold(room: Principal, { object, entry }: Copy, tag: string, people: People): Promise<ReadonlySet<Key>> {
    const { identify } = people;
    const series = seriesOf(object.root);
    const given = new Map<Key, string>();
    for (const [key, component] of membersOf(series)) {
      const own = attendeeIn(component, room.uid, identify);
      if (own !== undefined && partstatOf(own) !== "NEEDS-ACTION") given.set(key, partstatOf(own));
    }
    if (entry.scheduleTag === tag) return new Set(given.keys());
    const organizer = organizerOf(componentsOf(series));
    const owner = organizer && people.principal(identify(organizer.value));
    const theirs = owner && (await copyOf(owner, object.uid, this.#services.store));
    if (theirs === undefined) return new Set();
    const known = seriesOf(theirs.object.root);
    const isTold = (key: Key, answer: string): boolean => {
      const component = componentAt(known, key) ?? known.master;
      const attendee = component && attendeeIn(component, room.uid, identify);
      return attendee === undefined || partstatOf(attendee) === answer;
    };
    return new Set([...given].flatMap(([key, answer]) => (isTold(key, answer) ? [] : [key])));
  }

  async #answered(room: Principal, copy: Copy, people: People): Promise<Answered> {
    const { now, floatingZoneOf, store, calendarAt } = this.#services;
    const zone = await floatingZoneOf(copy.collection);
    const horizon = horizonOf(now());
    const services = this.#services;
    const inbox = await store.open({ owner: room, path: ["inbox"] });
    async function* calendars(): AsyncGenerator<BusyCalendar> {
      for await (const collection of freeBusySet(room, inbox, store, calendarAt))
        yield { collection, floatingZone: await services.floatingZoneOf(collection) };
    }
    const needsTime = room.autoSchedule !== "accept-always" && room.autoSchedule !== "decline-always";
    const busy = needsTime
      ? [
          ...(await busyTime(calendars(), horizon, { exceptUid: copy.object.uid, limit: maxInstances })),
          ...(inbox === undefined ? [] : await unavailableTime(inbox, horizon, zone, maxInstances)),
        ].sort((a, b) => a.start - b.start)
      : [];
    return autoAccept(copy.object.root, {
      mode: room.autoSchedule,
      recipient: room.uid,
      identify: people.identify,
      now: now(),
      zone,
      isBusy: (range) => overlapsAny(busy, range),
    });
  }

  /** The owner's copy tells what became of messages that left the server. It is no change of his: the schedule tag stays. */
  async #tell(owner: Principal, { uid, codes }: Extract<FollowUp, { kind: "told" }>, people: People): Promise<void> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const copy = await copyOf(owner, uid, this.#services.store);
      if (copy === undefined) return;
      await people.learn(copy.object.root);
      const root = withLaterStatuses(copy.object.root, codes, owner.uid, people.identify);
      if (root === copy.object.root) return;
      const object = withText(root, [copy.object]);
      const tag = copy.entry.scheduleTag;
      if ((await putObject(copy.collection, copy.entry.name, object, copy.entry, tag)) !== undefined) return;
    }
  }

  /** The reply did not arrive, and the room's copy says so. */
  async #correct(room: Principal, uid: string, code: string): Promise<void> {
    const copy = await copyOf(room, uid, this.#services.store);
    if (copy === undefined) return;
    const root = withReplyStatus(copy.object.root, code);
    await putObject(
      copy.collection,
      copy.entry.name,
      withText(root, [copy.object]),
      copy.entry,
      copy.entry.scheduleTag,
    );
  }

  /** Resolves when nothing is waiting or under way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Waits for what is under way; what has not begun is found at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#running);
  }
}

/** Busy periods are in order of start, and may overlap each other. */
function overlapsAny(busy: readonly TimeRange[], { start, end }: TimeRange): boolean {
  for (const period of busy) {
    if (period.start >= end) return false;
    if (period.end > start) return true;
  }
  return false;
}

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    if (ms === 0) setImmediate(resolve);
    else setTimeout(resolve, ms);
  });
