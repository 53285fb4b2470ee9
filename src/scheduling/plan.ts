import type { CalendarObject } from "../ical/calendar-object.ts";
import { type Component, parameterOf } from "../ical/component.ts";
import { mapProperties, withParameter } from "../ical/edit.ts";
import { withReplyStatus } from "../itip/attendee.ts";
import { withStatuses } from "../itip/organizer.ts";
import { organizerOf } from "../itip/people.ts";
import { type Role, roleOf } from "../itip/role.ts";
import { componentsOf, mapMembers, seriesOf } from "../itip/series.ts";
import type { Principal } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import type { Collection, ObjectEntry } from "../store/contract.ts";
import { codeOf } from "./deliver.ts";
import type { People } from "./people.ts";

/** Whether a change of the member has anything to do with scheduling. Costs little for the others: a look at the row, at the names of
 *  the object's properties and, when something is replaced, at its bytes. */
export const concernsScheduling = async (
  collection: Collection,
  existing: ObjectEntry | undefined,
  sent: CalendarObject,
): Promise<boolean> => hasOrganizer(sent) || (existing !== undefined && (await isScheduled(collection, existing)));

/** Whether others may take part in what is stored under that name. What has a schedule tag came by PUT or by delivery; what was put
 *  there by hand, imported, or is of an older store has none, and is one by its ORGANIZER (as Calendar Server 2.4). */
export async function isScheduled(collection: Collection, entry: ObjectEntry): Promise<boolean> {
  if (collection.kind !== "calendar") return false;
  if (entry.scheduleTag !== undefined) return true;
  const content = await collection.read(entry.name);
  return content !== undefined && /\nORGANIZER[;:]/i.test(content.bytes.toString("latin1"));
}

export const hasOrganizer = ({ master, overrides }: CalendarObject): boolean =>
  (master !== undefined && names(master)) || overrides.some(names);

const names = ({ properties }: Component): boolean => {
  for (const { name } of properties) if (name === "ORGANIZER") return true;
  return false;
};

export const resultOf = (after: Component | undefined): "stored" | "removed" =>
  after === undefined ? "removed" : "stored";

/** An attendee's copy stays one, and nobody becomes the organizer of what another one organizes. */
export function refuseChangeOfRole(
  was: Role,
  is: Role,
  after: Component | undefined,
  owner: Principal,
  identify: People["identify"],
): void {
  if (after === undefined || was === "none" || was === is) return;
  const organizer = organizerOf(componentsOf(seriesOf(after)));
  if (was === "organizer") {
    if (organizer !== undefined && identify(organizer.value) !== owner.uid)
      throw new Refusal({
        code: "allowed-organizer-scheduling-object-change",
        problem: "the ORGANIZER of an object does not change",
      });
    return;
  }
  throw new Refusal({
    code: "allowed-attendee-scheduling-object-change",
    problem: "an attendee leaves ORGANIZER, its SCHEDULE-AGENT and himself among the ATTENDEEs as they are",
  });
}

/** The object with the statuses of its messages. */
export function withOutcome(
  root: Component,
  role: Role,
  statuses: ReadonlyMap<string, string>,
  people: People,
): Component {
  if (statuses.size === 0) return root;
  if (role === "organizer") {
    const codes = new Map([...statuses].map(([person, status]) => [person, codeOf(status)] as const));
    return withStatuses(root, codes, people.identify);
  }
  const [status] = statuses.values();
  return role === "attendee" && status !== undefined ? withReplyStatus(root, codeOf(status)) : root;
}

/** The copy with what became of messages that were pending: on the ATTENDEEs of an organizer's, on the ORGANIZER of an attendee's. What
 *  says more by now (an answer came) stays. `codes`: by address. Answers the same when nothing changes. */
export function withLaterStatuses(
  root: Component,
  codes: Readonly<Record<string, string>>,
  owner: string,
  identify: People["identify"],
): Component {
  const series = seriesOf(root);
  const name = roleOf(series, owner, identify) === "organizer" ? "ATTENDEE" : "ORGANIZER";
  const byPerson = new Map(Object.entries(codes).map(([address, code]) => [identify(address), code]));
  let isChanged = false;
  const told = mapMembers(series, (component) =>
    mapProperties(component, (property) => {
      const code = property.name === name ? byPerson.get(identify(property.value)) : undefined;
      const known = parameterOf(property, "SCHEDULE-STATUS");
      if (code === undefined || code === known || !(known === undefined || /^1\.[01]/.test(known))) return property;
      isChanged = true;
      return withParameter(property, "SCHEDULE-STATUS", code);
    }),
  );
  return isChanged ? told : root;
}
