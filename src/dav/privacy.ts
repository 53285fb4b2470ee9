import type { Component, Property } from "../ical/component.ts";
import { readCalendar } from "../ical/read.ts";
import { writeComponent } from "../ical/write.ts";
import { mayHaveComments, withoutComments } from "../itip/private-comments.ts";
import type { Principal } from "../model/principal.ts";
import type { ObjectEntry } from "../store/contract.ts";
import { aclSettings } from "./acl.ts";
import type { Context } from "./registry.ts";

/** The words of X-CALENDARSERVER-ACCESS. */
export const accessValues = ["PUBLIC", "PRIVATE", "CONFIDENTIAL", "RESTRICTED"] as const;

/** What the asker sees of a member's text: all of it, when it takes place, or nothing (undefined; caldav-privateevents §4.2.2); and
 *  attendees' comments only if they are meant for him. Every text that leaves the server comes by here. */
export function seenText(
  text: string,
  entry: ObjectEntry,
  owner: Principal,
  context: Context,
): string | Promise<string | undefined> {
  return entry.access === undefined ? withoutHidden(text, owner, context) : restrictedText(text, entry, owner, context);
}

/** Whether the asker certainly sees all of a member's text. */
export const isWholeToAsker = ({ access }: ObjectEntry, owner: Principal, { user }: Pick<Context, "user">): boolean =>
  access === undefined && user?.uid === owner.uid;

function withoutHidden(text: string, owner: Principal, context: Context): string | Promise<string> {
  if (context.user?.uid === owner.uid || !mayHaveComments(text)) return text;
  return seesComments(owner, context).then((sees) => (sees ? text : withoutComments(text)));
}

/** Whether the asker is who attendees' comments are for (caldav-privatecomments §3): the owner, or a delegate who may change his
 *  events and answers in his name. A read delegate only looks, and so sees what everybody does who reads the calendar. */
export async function seesComments(owner: Principal, context: Pick<Context, "user" | "services">): Promise<boolean> {
  const { user, services } = context;
  if (await seesEverything(owner, context)) return true;
  return user !== undefined && (await services.directory.delegateAccess(user, owner)) === "write";
}

async function restrictedText(
  text: string,
  entry: ObjectEntry,
  owner: Principal,
  context: Context,
): Promise<string | undefined> {
  const { access } = entry;
  if (access === undefined || (await seesWhole(entry, owner, context))) return withoutHidden(text, owner, context);
  return access === "PRIVATE" ? undefined : filteredText(text, access);
}

/** Whether the asker sees all of a member's text, of those that he may read. */
export const seesWhole = async ({ access }: ObjectEntry, owner: Principal, context: Context): Promise<boolean> =>
  access === undefined || !context.services.settings.privateEvents || (await seesEverything(owner, context));

/** Whether a member is as long for the asker as its file; told from the row, so perhaps not where it would be. */
export const seesSize = async (entry: ObjectEntry, owner: Principal, context: Context): Promise<boolean> =>
  (await seesWhole(entry, owner, context)) && (entry.scheduleTag === undefined || (await seesComments(owner, context)));

/** Whether the asker is the owner, a member of the group that is, or one of AdminPrincipals. */
export async function seesEverything(
  owner: Principal,
  { user, services }: Pick<Context, "user" | "services">,
): Promise<boolean> {
  if (user === undefined) return false;
  if (user.uid === owner.uid) return true;
  const { admins } = await aclSettings(services);
  if (admins.length === 0 && owner.type !== "groups") return false;
  const identities = await services.directory.identities(user);
  return identities.has(owner.uid) || admins.some((uid) => identities.has(uid));
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
function filteredText(text: string, access: string): string {
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
