import { createHash } from "node:crypto";
import type { Component } from "../ical/component.ts";
import { instancesIn } from "../ical/instances.ts";
import { utcZone } from "../ical/zones.ts";
import { type Groups, type Member, withGroupMembers } from "../itip/groups.ts";
import { planOrganizer } from "../itip/organizer.ts";
import { addressesIn } from "../itip/role.ts";
import { componentsOf, seriesOf } from "../itip/series.ts";
import { utc } from "../model/ids.ts";
import { calendarUserType, type Principal } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import { type Copy, copyOf } from "./copies.ts";
import { asOutgoing, deliverAll } from "./deliver.ts";
import type { Dispatch } from "./local.ts";
import type { People } from "./people.ts";
import { withOutcome } from "./plan.ts";
import type { SchedulingServices } from "./services.ts";
import { freshTag, putObject, withText } from "./store-object.ts";

/** The groups that invitations are expanded for. */
export interface GroupDirectory {
  /** Members, those of groups inside included; more than `atMost` need not be found. */
  members(group: Principal, atMost: number): Promise<readonly Principal[]>;
  /** Grows when anything in the directory changes. */
  generation(): number;
  /** Members of one group that are invited. */
  readonly maxMembers: number;
  /** ATTENDEEs of one component, members included. */
  readonly maxAttendees: number | undefined;
}

/** The organizer's object with the members of its groups. `known`: what he has stored. Everybody in it is known to `people` then.
 *  Throws Refusal(max-attendees-per-instance). */
export async function expandGroups(
  before: Component | undefined,
  after: Component,
  owner: string,
  people: People,
  directory: GroupDirectory | undefined,
): Promise<{ readonly root: Component; readonly groups: Groups }> {
  const groups = new Map<string, readonly Member[]>();
  if (directory === undefined) return { root: after, groups };
  for (const root of before === undefined ? [after] : [before, after])
    for (const address of addressesIn(root)) {
      const group = people.principal(people.identify(address));
      if (group?.type !== "groups" || group.uid === owner || groups.has(group.uid)) continue;
      groups.set(group.uid, await membersOf(group, people, directory));
    }
  const root = withGroupMembers(before, after, groups, owner, people.identify);
  if (root !== after) refuseMany(root, directory.maxAttendees);
  return { root, groups };
}

/** Whoever has a calendar, here or on a server beside this one. */
const isInvited = ({ type, calendaring, hosting }: Principal): boolean =>
  type !== "groups" && (calendaring || (hosting?.local === false && hosting.enabled));

async function membersOf(group: Principal, people: People, directory: GroupDirectory): Promise<readonly Member[]> {
  const members = await directory.members(group, directory.maxMembers + 1);
  const invited = members.filter(isInvited);
  if (members.length > directory.maxMembers)
    throw new Refusal({ code: "max-attendees-per-instance", limit: directory.maxMembers });
  return invited.flatMap((member) => {
    const [address] = member.addresses;
    if (address === undefined) return [];
    people.add(member);
    return [{ id: member.uid, address, name: member.fullName || undefined, type: calendarUserType(member.type) }];
  });
}

function refuseMany(root: Component, limit: number | undefined): void {
  if (limit === undefined) return;
  for (const { properties } of componentsOf(seriesOf(root)))
    if (properties.filter(({ name }) => name === "ATTENDEE").length > limit)
      throw new Refusal({ code: "max-attendees-per-instance", limit });
}

/** An object that invites groups: what their members were when its organizer stored it. */
interface Noted {
  readonly owner: string;
  readonly uid: string;
  /** By the group's uid. */
  readonly groups: Readonly<Record<string, string>>;
}

const noteName = (owner: string, uid: string): string => createHash("md5").update(`${owner} ${uid}`).digest("hex");

const fingerprint = (uids: readonly string[]): string =>
  createHash("md5")
    .update([...uids].sort().join("\n"))
    .digest("hex");

/** Notes that an object invites groups, so that a change of their members reaches it; or that it does not any more. Done under the
 *  lock of the UID, before anything is delivered: a process killed on the way leaves the object noted. */
export async function noteGroups(
  owner: string,
  root: Component | undefined,
  uid: string,
  groups: Groups,
  { identify }: People,
  { store }: Pick<SchedulingServices, "store">,
): Promise<void> {
  if (groups.size === 0) return;
  const named = new Set(root === undefined ? [] : [...addressesIn(root)].map(identify));
  const left = [...groups].filter(([group]) => named.has(group));
  const name = noteName(owner, uid);
  if (left.length === 0) return store.groupEvents.remove(name);
  const noted: Noted = {
    owner,
    uid,
    groups: Object.fromEntries(left.map(([group, members]) => [group, fingerprint(members.map(({ id }) => id))])),
  };
  await store.groupEvents.put(name, JSON.stringify(noted));
}

function readNoted(text: string | undefined): Noted | undefined {
  try {
    const noted = text === undefined ? undefined : (JSON.parse(text) as Noted);
    return typeof noted?.owner === "string" && typeof noted.uid === "string" ? noted : undefined;
  } catch {
    return undefined;
  }
}

/** The objects with a group whose members are others now. */
export async function* outdatedByGroups(
  services: Pick<SchedulingServices, "store" | "userByUid">,
  directory: GroupDirectory,
): AsyncGenerator<{ readonly owner: string; readonly uid: string }> {
  const { groupEvents } = services.store;
  const present = new Map<string, string | undefined>();
  const fingerprintOf = async (uid: string): Promise<string | undefined> => {
    if (present.has(uid)) return present.get(uid);
    const group = await services.userByUid(uid);
    const members = group?.type === "groups" ? await directory.members(group, directory.maxMembers + 1) : undefined;
    const invited = members?.filter(isInvited);
    const found = invited && fingerprint(invited.map((one) => one.uid));
    present.set(uid, found);
    return found;
  };
  for (const name of await groupEvents.list()) {
    const noted = readNoted(await groupEvents.read(name));
    if (noted === undefined) continue;
    for (const [group, was] of Object.entries(noted.groups)) {
      // A group that the directory does not know at the moment keeps its members.
      const is = await fingerprintOf(group);
      if (is === undefined || is === was) continue;
      yield noted;
      break;
    }
  }
}

const tenYears = 10 * 366 * 86_400;
const attempts = 8;

/** Invites who has come into an object's groups, and uninvites who has left them. What is over stays as it was. The lock of the UID
 *  is held. */
export async function updateMembers(
  owner: Principal,
  uid: string,
  dispatch: Dispatch,
  services: SchedulingServices,
): Promise<void> {
  const { store, now } = services;
  const { people } = dispatch;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const copy = await copyOf(owner, uid, store);
    if (copy === undefined || isOver(copy, now())) return store.groupEvents.remove(noteName(owner.uid, uid));
    const before = copy.object.root;
    await people.learn(before);
    const { root: after, groups } = await expandGroups(before, before, owner.uid, people, services.groups);
    if (after !== before) {
      const { identify } = people;
      const plan = planOrganizer({
        before,
        after,
        owner: owner.uid,
        identify,
        now: now(),
        merge: true,
        keepComments: services.privateComments,
      });
      const statuses = await deliverAll(asOutgoing(plan.messages), dispatch, services);
      const told = withOutcome(plan.store ?? after, "organizer", statuses, people);
      const object = withText(told, [copy.object]);
      if ((await putObject(copy.collection, copy.entry.name, object, copy.entry, freshTag())) === undefined) continue;
    }
    return noteGroups(owner.uid, after, uid, groups, people, services);
  }
}

function isOver({ object }: Copy, now: number): boolean {
  const range = { start: utc(now), end: utc(now + tenYears) };
  const { instances, complete } = instancesIn(object, range, utcZone, 1);
  return complete && instances.length === 0;
}
