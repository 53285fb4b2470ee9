import type { Component } from "../../ical/component.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import type { PrincipalUid } from "../../model/ids.ts";
import type { Principal } from "../../model/principal.ts";
import { calendarsBelow } from "../../scheduling/free-busy-set.ts";
import { invitationOf, type ShareAccess } from "../../sharing/invitations.ts";
import { openShare } from "../../sharing/links.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import type { CalendarStore, Collection, ObjectEntry } from "../../store/contract.ts";
import type { Services } from "../registry.ts";
import { calendarUser } from "../resolve.ts";

/** An event that has an attachment, and those of its components that have it. */
export interface Holding {
  readonly calendar: Collection;
  readonly entry: ObjectEntry;
  readonly components: readonly Component[];
}

/** The events of a home that have this UID and, in a component, what is looked for. */
export async function* holding(
  home: Principal,
  uid: string,
  store: CalendarStore,
  holds: (component: Component) => boolean,
): AsyncGenerator<Holding> {
  for await (const calendar of calendarsBelow({ owner: home, path: [] }, store)) {
    const name = await calendar.nameOf(uid);
    const entry = name === undefined ? undefined : await calendar.entry(name);
    const content = entry && (calendar.kept(entry) ?? (await calendar.read(entry.name)));
    if (entry === undefined || content === undefined) continue;
    const components = componentsIn(content.bytes.toString()).filter(holds);
    if (components.length > 0) yield { calendar, entry, components };
  }
}

function componentsIn(text: string): readonly Component[] {
  try {
    const { root, kind } = parseCalendarObject(text);
    return root.components.filter(({ name }) => name === kind);
  } catch {
    // Somebody's damaged file: it opens nothing to nobody.
    return [];
  }
}

/** What somebody has an event by, who is not let in by the calendar's own ACL: it is shared with him or with those he acts for, or
 *  they take part in it. undefined: nothing. Evaluated now, so it ends with the invitation. */
export async function accessThrough(
  { calendar, entry, components }: Holding,
  user: Principal,
  services: Services,
): Promise<ShareAccess | undefined> {
  const people = await actsFor(user, services);
  // What is attached to a private event is as private as it is; who takes part in it has it all.
  if (entry.access === undefined)
    for (const uid of people) {
      const invitation = await invitationOf(calendar, uid);
      if (invitation?.status === "accepted") return uid === user.uid ? invitation.access : "read";
    }
  const attendees = await attendeesOf(components, services);
  if ([...people].some((uid) => attendees.has(uid))) return "read";
  return entry.uid !== undefined && (await seesCopy(attendees, entry.uid, user, services)) ? "read" : undefined;
}

/** The user, the groups it is in, and those it is a delegate of. */
async function actsFor(user: Principal, { directory }: Services): Promise<ReadonlySet<PrincipalUid>> {
  const [identities, ...trusting] = await Promise.all([
    directory.identities(user),
    directory.delegatedBy(user, "read"),
    directory.delegatedBy(user, "write"),
  ]);
  return new Set([user.uid, ...identities, ...trusting.flat().map(({ uid }) => uid)]);
}

async function attendeesOf(
  components: readonly Component[],
  { directory, urls }: Services,
): Promise<ReadonlySet<PrincipalUid>> {
  const addresses = new Set<string>();
  for (const { properties } of components)
    for (const { name, value } of properties) if (name === "ATTENDEE") addresses.add(value);
  const found = new Set<PrincipalUid>();
  for (const address of addresses) {
    const principal = await calendarUser(address, directory, urls);
    if (principal !== undefined) found.add(principal.uid);
  }
  return found;
}

/** Whether an attendee shares with the user the calendar that his copy is in. */
async function seesCopy(
  attendees: ReadonlySet<PrincipalUid>,
  uid: string,
  user: Principal,
  services: Services,
): Promise<boolean> {
  if (!services.settings.sharing.enabled || !(await services.store.provisioned(user))) return false;
  const shares = calendarsBelow({ owner: user, path: [] }, services.store, (link) => openShare(link, services));
  for await (const calendar of shares) {
    if (shareOf(calendar) === undefined || !attendees.has(calendar.ref.owner.uid)) continue;
    const name = await calendar.nameOf(uid);
    const entry = name === undefined ? undefined : await calendar.entry(name);
    if (entry !== undefined && entry.access === undefined) return true;
  }
  return false;
}
