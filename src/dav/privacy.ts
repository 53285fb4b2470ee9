import type { Component, Property } from "../ical/component.ts";
import { readCalendar } from "../ical/read.ts";
import { writeComponent } from "../ical/write.ts";
import type { Principal } from "../model/principal.ts";
import type { ObjectEntry } from "../store/contract.ts";
import type { Context } from "./registry.ts";

/** What X-CALENDARSERVER-ACCESS (caldav-privateevents §4) leaves of an object for somebody who asks. */
export type Sight = "all" | "filtered" | "nothing";

/** The words of X-CALENDARSERVER-ACCESS. */
export const accessValues = ["PUBLIC", "PRIVATE", "CONFIDENTIAL", "RESTRICTED"] as const;

/** What the asker sees of a member of the owner's calendars. Nothing is hidden from the owner and from administrators. */
export async function sightOf(entry: ObjectEntry, owner: Principal, context: Context): Promise<Sight> {
  if (entry.access === undefined || !context.services.settings.privateEvents) return "all";
  if (await seesEverything(owner, context)) return "all";
  return entry.access === "PRIVATE" ? "nothing" : "filtered";
}

/** Whether the asker is the owner or one of AdminPrincipals. */
export async function seesEverything(owner: Principal, { user, services }: Context): Promise<boolean> {
  if (user === undefined) return false;
  if (user.uid === owner.uid) return true;
  for (const href of services.settings.adminPrincipals)
    if ((await services.urls.principalOf(href))?.uid === user.uid) return true;
  return false;
}

const calendarKeeps = new Set(["PRODID", "VERSION", "CALSCALE", "X-CALENDARSERVER-ACCESS"]);
const everyComponentKeeps = [
  "UID",
  "RECURRENCE-ID",
  "SEQUENCE",
  "DTSTAMP",
  "STATUS",
  "DTSTART",
  "DURATION",
  "RRULE",
  "RDATE",
  "EXRULE",
  "EXDATE",
];
const confidential: Readonly<Record<string, ReadonlySet<string>>> = {
  VEVENT: new Set([...everyComponentKeeps, "TRANSP", "DTEND"]),
  VTODO: new Set([...everyComponentKeeps, "DUE", "COMPLETED"]),
  VJOURNAL: new Set([...everyComponentKeeps, "TRANSP"]),
  VFREEBUSY: new Set(["UID", "DTSTAMP", "DTSTART", "DTEND", "DURATION", "FREEBUSY"]),
};
const restrictedAdds = new Set(["SUMMARY", "LOCATION"]);

/** The text of a CONFIDENTIAL or RESTRICTED object as others see it: when, not what (RESTRICTED: with SUMMARY and LOCATION). */
export function filteredText(text: string, access: string): string {
  const root = readCalendar(text);
  return writeComponent({
    ...root,
    properties: root.properties.filter(({ name }) => calendarKeeps.has(name)),
    components: root.components.flatMap((component) => filtered(component, access === "RESTRICTED")),
  });
}

function filtered(component: Component, restricted: boolean): readonly Component[] {
  if (component.name === "VTIMEZONE") return [component];
  const keeps = confidential[component.name];
  if (keeps === undefined) return [];
  const kept = ({ name }: Property): boolean => keeps.has(name) || (restricted && restrictedAdds.has(name));
  return [{ ...component, properties: component.properties.filter(kept), components: [] }];
}
