import { randomUUID } from "node:crypto";
import type { CalendarObject } from "../ical/calendar-object.ts";
import type { Component } from "../ical/component.ts";
import type { Source } from "../ical/write-kept.ts";
import { planAttendee } from "../itip/attendee.ts";
import type { Groups } from "../itip/groups.ts";
import type { ItipMessage } from "../itip/message.ts";
import { planOrganizer } from "../itip/organizer.ts";
import { organizerOf } from "../itip/people.ts";
import { type Role, roleOf, tidied } from "../itip/role.ts";
import { componentsOf, seriesOf } from "../itip/series.ts";
import { Refusal } from "../model/refusal.ts";
import { addressElsewhere, askElsewhere, type BusyAnswer, type BusyQuestion, channelFor } from "./channels.ts";
import { type Copy, copyAt, copyOf } from "./copies.ts";
import { asOutgoing, deliverAll } from "./deliver.ts";
import type { FollowUps } from "./follow-ups.ts";
import { calendarsBelow } from "./free-busy-set.ts";
import { GroupWatch } from "./group-watch.ts";
import { expandGroups, noteGroups } from "./groups.ts";
import {
  type FollowUp,
  type ImplicitJob,
  implicitName,
  isFollowUp,
  lettersPrefix,
  readJob,
  storedMessage,
  writeJob,
} from "./jobs.ts";
import { carryOn, withUid } from "./leftovers.ts";
import type { Dispatch, Outgoing } from "./local.ts";
import type { Changed, MemberChange } from "./member-change.ts";
import { People } from "./people.ts";
import { refuseChangeOfRole, resultOf, withOutcome } from "./plan.ts";
import { Post } from "./post.ts";
import { QueueWatch } from "./queue-watch.ts";
import type { MayDeliver, SchedulingServices } from "./services.ts";
import { freshTag, removeObject, withText } from "./store-object.ts";

interface Plan {
  readonly role: Role;
  readonly messages: readonly ItipMessage[];
  readonly store: Component | undefined;
  readonly result: "stored" | "removed" | "gone";
  /** What is stored is a scheduling object resource. */
  readonly isScheduled: boolean;
  /** Texts that lines of `store` come from. */
  readonly sources: readonly Source[];
  /** Those that the owner invites, or did before. */
  readonly groups?: Groups | undefined;
}

/** Carries out what clients' changes mean to others. RFC 6638 §3.2
 *
 *  Everything about one UID happens under its lock: read, plan, write the plan down, deliver to one collection after the other,
 *  store the owner's object with what became of it, forget the plan. A process killed on the way leaves the plan; whoever takes the
 *  lock next carries it on first, and what is done already is done once. Answers that others' objects cause follow when the lock is free. */
export class Scheduling {
  readonly #services: SchedulingServices;
  readonly #followUps: FollowUps;
  readonly #post: Post;
  /** Lets events follow the groups they invite. */
  readonly groups: GroupWatch;
  /** Takes up what stays in the queue. */
  readonly queue: QueueWatch;

  constructor(services: SchedulingServices, followUps: FollowUps) {
    this.#services = services;
    this.#followUps = followUps;
    this.#post = new Post(services, followUps);
    this.groups = new GroupWatch(services, followUps);
    this.queue = new QueueWatch(services.store.jobs, (name) => this.#takeUp(name));
  }

  /** Takes a change of a member that `concernsScheduling`. Throws what `check`, `maySend` and `commit` throw, and the Refusals of
   *  RFC 6638 §3.2.4. */
  async change<T>(change: MemberChange<T>, uid: string): Promise<Changed<T>> {
    const later: FollowUp[] = [];
    const changed = await withUid(uid, this.#services, this.#followUps, async () => {
      const before = await copyAt(change.collection, change.name);
      await change.check(before?.entry);
      const people = new People((address) => this.#services.calendarUser(address));
      people.add(change.owner);
      const plan = await this.#plan(change, before, people);
      if (plan.messages.length > 0)
        await change.maySend(plan.role === "organizer" ? "schedule-send-invite" : "schedule-send-reply");
      return this.#carryOut(change, uid, before, plan, people, later);
    });
    this.#followUps.begin(later);
    return changed;
  }

  async #plan<T>(change: MemberChange<T>, before: Copy | undefined, people: People): Promise<Plan> {
    const { owner, sent } = change;
    const { now, organizers } = this.#services;
    await people.learn(before?.object.root, sent?.root);
    const { identify } = people;
    const after = sent && tidied(sent.root, identify);
    const sources: Source[] = [sent, before?.object].filter((one) => one !== undefined);
    const was = before === undefined ? "none" : roleOf(seriesOf(before.object.root), owner.uid, identify);
    const is = after === undefined ? "none" : roleOf(seriesOf(after), owner.uid, identify);
    refuseChangeOfRole(was, is, after, owner, identify);
    if (is !== "none") await this.#refuseSecond(change, before);
    const role = is === "none" ? was : is;
    const stored = was === role ? before?.object.root : undefined;
    if (role === "organizer") {
      if (!organizers.includes(owner.type))
        throw new Refusal({ code: "organizer-allowed", problem: `${owner.type} are not organizers here` });
      const expanded =
        after !== undefined && is !== "none"
          ? await expandGroups(stored, after, owner.uid, people, this.#services.groups)
          : undefined;
      const planned = planOrganizer({
        before: stored,
        after: expanded?.root,
        owner: owner.uid,
        identify,
        now: now(),
        merge: change.merge,
        keepComments: this.#services.privateComments,
      });
      return {
        role,
        messages: planned.messages,
        store: planned.store ?? after,
        isScheduled: is !== "none",
        sources,
        result: resultOf(after),
        groups: expanded?.groups,
      };
    }
    if (role === "attendee") return this.#planAttendee(change, stored, after, people, sources);
    // Nobody here takes part: it is stored as it was sent.
    return {
      role,
      messages: [],
      store: sent?.root,
      isScheduled: false,
      sources,
      result: resultOf(after),
    };
  }

  async #planAttendee<T>(
    { owner, silent }: MemberChange<T>,
    before: Component | undefined,
    after: Component | undefined,
    people: People,
    sources: readonly Source[],
  ): Promise<Plan> {
    const root = after ?? before;
    const { identify } = people;
    const address = root && organizerOf(componentsOf(seriesOf(root)))?.value;
    const organizer = address === undefined ? undefined : people.principal(identify(address));
    const elsewhere = address === undefined ? undefined : addressElsewhere(address, organizer);
    const isElsewhere = elsewhere !== undefined && (await channelFor(elsewhere, this.#services.channels)) !== undefined;
    const copy = organizer && root && (await copyOf(organizer, seriesOf(root).uid, this.#services.store));
    await people.learn(copy?.object.root);
    const planned = planAttendee({
      before,
      after,
      owner: owner.uid,
      identify,
      now: this.#services.now(),
      silent,
      keepComments: this.#services.privateComments,
      organizer:
        organizer?.calendaring === true
          ? { is: "here", copy: copy?.object.root }
          : { is: isElsewhere ? "elsewhere" : "nobody" },
    });
    const all = copy === undefined ? sources : [...sources, copy.object];
    return {
      role: "attendee",
      messages: planned.messages,
      store: planned.store,
      isScheduled: true,
      sources: all,
      result: planned.result,
    };
  }

  /** One scheduling object per UID and user (RFC 6638 §3.2.4.1); of one collection, no-uid-conflict says so. */
  async #refuseSecond<T>({ owner, collection, sent }: MemberChange<T>, before: Copy | undefined): Promise<void> {
    if (before !== undefined || sent === undefined) return;
    const own = collection.ref.path.join("/");
    for await (const other of calendarsBelow({ owner, path: [] }, this.#services.store)) {
      if (other.ref.path.join("/") === own) continue;
      const name = await other.nameOf(sent.uid);
      if (name === undefined) continue;
      const existing = this.#services.memberHref(other.ref, name);
      throw new Refusal({ code: "unique-scheduling-object-resource", existing });
    }
  }

  async #carryOut<T>(
    change: MemberChange<T>,
    uid: string,
    before: Copy | undefined,
    plan: Plan,
    people: People,
    later: FollowUp[],
  ): Promise<Changed<T>> {
    const { store } = this.#services;
    const id = randomUUID();
    const messages = asOutgoing(plan.messages);
    const tag = plan.isScheduled && plan.store !== undefined ? freshTag() : undefined;
    const final = plan.store && withText(plan.store, plan.sources);
    const job = implicitName(uid);
    if (messages.length > 0)
      await store.jobs.put(job, writeJob(implicitJob(id, uid, change, before, messages, final, tag, plan.role)));
    if (plan.groups !== undefined && final !== undefined)
      await noteGroups(change.owner.uid, final.root, final.uid, plan.groups, people, this.#services);
    try {
      const statuses = await deliverAll(messages, this.#dispatch(id, people, change.may, job, later), this.#services);
      const told = final && withText(withOutcome(final.root, plan.role, statuses, people), plan.sources);
      if (plan.result === "gone") {
        if (before !== undefined) await removeObject(before.collection, before.entry);
        return { value: undefined, result: "gone", messages: messages.length };
      }
      const value = await change.commit(told, tag);
      return { value, result: plan.result, messages: messages.length };
    } finally {
      if (messages.length > 0) {
        for (const next of later) await this.#followUps.add(next);
        await store.jobs.remove(job);
      }
    }
  }

  #dispatch(id: string, people: People, may: MayDeliver, job: string | undefined, later: FollowUp[]): Dispatch {
    return { id, people, may, isRepeated: false, job, followUp: (next) => void later.push(next) };
  }

  /** Delivers a message that a client has made itself. Answers the status of each recipient. */
  send(message: ItipMessage, may: MayDeliver): Promise<(address: string) => string | undefined> {
    return this.#deliver(message, { id: randomUUID(), may, isRepeated: false });
  }

  /** Delivers a message that came from outside to recipients of this server; others get 3.7, nothing is relayed. `id`: the same when
   *  the message comes again; `isRepeated`: it may have, and what was done the last time is not done twice. */
  receive(
    message: ItipMessage,
    how: Pick<Dispatch, "id" | "isRepeated" | "ignored">,
  ): Promise<(address: string) => string | undefined> {
    return this.#deliver(message, { ...how, may: undefined, isFromOutside: true });
  }

  async #deliver(
    message: ItipMessage,
    how: Pick<Dispatch, "id" | "may" | "isRepeated" | "isFromOutside" | "ignored">,
  ): Promise<(address: string) => string | undefined> {
    const later: FollowUp[] = [];
    const people = new People((address) => this.#services.calendarUser(address));
    const dispatch: Dispatch = { ...how, people, job: undefined, followUp: (next) => void later.push(next) };
    const { uid } = seriesOf(message.root);
    const statuses = await withUid(uid, this.#services, this.#followUps, async () => {
      const told = await deliverAll(asOutgoing([message]), dispatch, this.#services);
      for (const next of later) await this.#followUps.add(next);
      return told;
    });
    this.#followUps.begin(later);
    return (address) => statuses.get(people.identify(address));
  }

  /** A message that somebody here (his uid) had sent did not arrive at an address after all: his copy says so. */
  undelivered(owner: string, uid: string, address: string): Promise<void> {
    return this.#followUps.addNow({ kind: "told", owner, uid, codes: { [address]: "5.1" } });
  }

  /** Busy time of people who are not of this server: a promise for each whom a channel reaches. */
  askElsewhere(
    question: BusyQuestion,
    addresses: readonly string[],
  ): Promise<ReadonlyMap<string, Promise<BusyAnswer>>> {
    const { channels, warn } = this.#services;
    return askElsewhere(question, addresses, channels, (lane, error) =>
      warn("another server did not tell busy time", { server: lane, error }),
    );
  }

  /** Begins what processes that died have left, and to send. Others' work in progress is met at its lock, and found done. */
  async recover(): Promise<void> {
    this.#post.start();
    for (const name of await this.#services.store.jobs.list()) await this.#takeUp(name);
  }

  async #takeUp(name: string): Promise<void> {
    // The post reads those, and there may be thousands while a mail server is down.
    if (name.startsWith(lettersPrefix)) return;
    try {
      const text = await this.#services.store.jobs.read(name);
      const job = text === undefined ? undefined : readJob(text);
      if (job?.kind === "implicit") await carryOn(name, job.uid, this.#services, this.#followUps);
      else if (job !== undefined && isFollowUp(job)) this.#followUps.start(name, 0, true);
    } catch (error) {
      this.#services.warn("messages that a stopped process left could not be delivered", { name, error });
    }
  }

  /** Resolves when all that follows from changes so far is done. */
  async idle(): Promise<void> {
    await this.#followUps.idle();
    await this.#post.idle();
    await this.#followUps.idle();
  }

  /** Waits for what is under way. The rest is in the queue. */
  async close(): Promise<void> {
    this.groups.close();
    await this.queue.close();
    await this.#post.close();
    await this.#followUps.close();
  }
}

function implicitJob<T>(
  id: string,
  uid: string,
  { owner, collection, name }: MemberChange<T>,
  before: Copy | undefined,
  messages: readonly Outgoing[],
  object: CalendarObject | undefined,
  tag: string | undefined,
  role: Role,
): ImplicitJob {
  return {
    kind: "implicit",
    id,
    uid,
    messages: messages.map(storedMessage),
    object: {
      owner: owner.uid,
      path: collection.ref.path,
      name,
      before: before?.entry.etag ?? null,
      text: object?.text ?? null,
      tag: tag ?? null,
      role: role === "organizer" ? "organizer" : "attendee",
    },
  };
}
