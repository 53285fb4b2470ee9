import { Buffer, isUtf8 } from "node:buffer";
import type { ContentType } from "../../http/headers.ts";
import type { CalendarObject } from "../../ical/calendar-object.ts";
import { propertyOf } from "../../ical/component.ts";
import { fromJCal, jcalType } from "../../ical/jcal.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import { validateInTurns } from "../../ical/validate.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Collection, ObjectEntry } from "../../store/contract.ts";
import { type QName, TWISTED, textOf } from "../../xml/element.ts";
import { accessValues, seesEverything } from "../privacy.ts";
import { supportedKinds } from "../properties/calendar.ts";
import type { Context } from "../registry.ts";
import type { Place } from "./members.ts";

/** What is to be stored as a member. */
export interface Upload {
  readonly bytes: Buffer;
  readonly type: ContentType | undefined;
}

/** A calendar object that passed all checks that need no lock. */
export interface CheckedObject {
  readonly object: CalendarObject;
  /** What will be stored. */
  readonly bytes: Buffer;
  /** `bytes` are the ones that were sent. */
  readonly verbatim: boolean;
}

/** Checks a body for a calendar, inbox or outbox in the original server's order. Throws Refusals of RFC 4791 §5.3.2.1 and of
 *  caldav-privateevents §4.2.6. */
export async function checkObject(
  { bytes: sent, type }: Upload,
  { owner, collection, existing }: Place,
  context: Context,
): Promise<CheckedObject> {
  const { settings } = context.services;
  const { maxResourceSize, maxAttendeesPerInstance, maxInstances } = settings;
  const text = calendarText(sent, type);
  const isJson = type?.type === jcalType;
  const kinds = await kindsOf(collection);
  const object = await validateInTurns(text, {
    ...(maxResourceSize === undefined ? {} : { maxBytes: maxResourceSize }),
    ...(maxAttendeesPerInstance === undefined ? {} : { maxAttendees: maxAttendeesPerInstance }),
    ...(kinds === undefined ? {} : { kinds }),
    maxInstances,
  });
  if (settings.privateEvents) {
    const access = accessOf(object);
    const before =
      access === undefined && existing !== undefined ? await accessBefore(collection, existing) : undefined;
    if (before !== undefined) return withAccess(object, before);
    if (access !== undefined) await checkAccess(access, owner, context);
  }
  return { object, bytes: isJson ? Buffer.from(text) : sent, verbatim: !isJson };
}

/** The text of a body that says it is calendar data, or says nothing. Throws Refusal: supported-calendar-data, valid-calendar-data. */
export function calendarText(bytes: Buffer, type: ContentType | undefined): string {
  if (type !== undefined && type.type !== "text/calendar" && type.type !== jcalType)
    throw new Refusal({
      code: "supported-calendar-data",
      problem: `a calendar object is sent as text/calendar or ${jcalType}, found ${type.type}`,
    });
  const invalid = (problem: string): Refusal => new Refusal({ code: "valid-calendar-data", problem });
  const { charset } = type ?? {};
  if (charset !== undefined && charset !== "utf-8" && charset !== "utf8" && charset !== "us-ascii")
    throw invalid(`calendar data is UTF-8, found charset ${charset}`);
  if (!isUtf8(bytes)) throw invalid("the body is not UTF-8");
  const text = bytes.toString();
  return type?.type === jcalType ? fromJCal(text) : text;
}

/** The component kinds a calendar takes; undefined: anything may pass through an inbox. */
async function kindsOf(collection: Collection): Promise<readonly string[] | undefined> {
  return collection.kind === "calendar" ? supportedKinds(await collection.properties()) : undefined;
}

const accessName = "X-CALENDARSERVER-ACCESS";

/** Where the original kept a copy of X-CALENDARSERVER-ACCESS, and looks for it. */
export const accessCopy: QName = `{${TWISTED}}calendar-access`;

/** The restriction of the object that is replaced. The index knows of all but PUBLIC. */
async function accessBefore(collection: Collection, { name, access, hasProperties }: ObjectEntry) {
  if (access !== undefined || !hasProperties) return access;
  const copy = (await collection.properties(name)).get(accessCopy);
  const value = copy && textOf(copy).trim();
  return value === "PUBLIC" ? value : undefined;
}

/** The object's access restriction as it is written; undefined without one. */
export const accessOf = ({ root }: CalendarObject): string | undefined =>
  propertyOf(root, accessName)?.value.trim().toUpperCase();

async function checkAccess(access: string, owner: Place["owner"], context: Context): Promise<void> {
  if (!accessValues.some((value) => value === access))
    throw new Refusal({
      code: "valid-access-restriction",
      problem: `${accessName} must be one of ${accessValues.join(", ")}, found "${access}"`,
    });
  if (access !== "PUBLIC" && !(await seesEverything(owner, context)))
    throw new Refusal({
      code: "valid-access-restriction-change",
      problem: `only the owner sets ${accessName} to ${access}`,
    });
}

/** Puts the old restriction back into an object whose client does not know the property and left it out. */
function withAccess(object: CalendarObject, access: string): CheckedObject {
  const { text } = object;
  const end = text.indexOf("\n", text.search(/BEGIN:VCALENDAR/i)) + 1;
  const restored = `${text.slice(0, end)}${accessName}:${access}\r\n${text.slice(end)}`;
  // Read again, so that its lines are those of the text.
  return { object: parseCalendarObject(restored), bytes: Buffer.from(restored), verbatim: false };
}
