import { yieldToLoop } from "../base/stream.ts";
import { principalNamed } from "../directory/access.ts";
import type { CalendarObject } from "../ical/calendar-object.ts";
import { propertyOf } from "../ical/component.ts";
import { instancesIn } from "../ical/instances.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import { utcZone } from "../ical/zones.ts";
import { type Utc, utc } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import { calendarsBelow } from "../scheduling/free-busy-set.ts";
import type { Collection, ObjectEntry } from "../store/contract.ts";
import { type Call, numberOf, Problems } from "./command.ts";
import { actAsServer, demandStore, nameOf, openRecords } from "./place.ts";
import { openStore } from "./purge-attachments.ts";
import { survey, viewOf } from "./survey.ts";
import { type Cell, tableText } from "./table.ts";

const day = 86_400;
/** The last second of the year 9999. */
const endOfTime = utc(253_402_300_799);

/** Removes the events of everybody, or of some, that ended more than so many days ago. */
export async function purgeEvents(call: Call): Promise<number> {
  const days = numberOf(call, "older-than", 0, [1, 36_500]);
  const config = await call.config();
  await demandStore(config);
  await actAsServer(config);
  // Floating times are up to a day away from UTC.
  const before = utc(Math.floor(Date.now() / 1000) - (days + 1) * day);
  const owners = await ownersAsked(call, viewOf(config, call.say));
  const store = await openStore(config, call);
  const rows: Cell[][] = [];
  let total = 0;
  try {
    for (const owner of owners)
      for await (const calendar of calendarsBelow({ owner, path: [] }, store)) {
        let count = 0;
        for await (const entry of endedBefore(calendar, before))
          if (!call.flag("yes") || (await removeUnchanged(calendar, entry))) count++;
        if (count > 0) rows.push([nameOf(owner), calendar.ref.path.join("/"), count]);
        total += count;
      }
  } finally {
    await store.close();
  }
  call.print(tableText({ columns: ["owner", "calendar", "objects"], rows }, call.format));
  call.say(`${total} events and tasks${call.flag("yes") ? " removed" : "; --yes removes"}`);
  return 0;
}

/** The owners of the homes that are served, or those that the operands name. */
async function ownersAsked(call: Call, view: ReturnType<typeof viewOf>): Promise<readonly Principal[]> {
  const records = await openRecords(await call.config());
  try {
    const wanted = new Set<string>();
    const problems: string[] = [];
    for (const operand of call.operands) {
      const principal = await principalNamed(records, operand);
      if (principal === undefined) problems.push(`there is no principal ${operand}`);
      else wanted.add(principal.uid);
    }
    if (problems.length > 0) throw new Problems([...problems, "nothing was removed"]);
    const owners: Principal[] = [];
    for await (const { state, principal } of survey(view, records))
      if (state === "used" && principal !== undefined && (wanted.size === 0 || wanted.has(principal.uid)))
        owners.push(principal);
    return owners;
  } finally {
    await records.close();
  }
}

/** The members of a calendar of which nothing takes place any more. */
async function* endedBefore(calendar: Collection, before: Utc): AsyncGenerator<ObjectEntry> {
  for await (const page of calendar.entries())
    for (const entry of page) {
      await yieldToLoop();
      const content = entry.uid === undefined ? undefined : await calendar.read(entry.name);
      if (content !== undefined && content.etag === entry.etag && hasEnded(content.bytes.toString(), before))
        yield entry;
    }
}

/** Whether all of an event ended before, or a task was finished. What cannot be read never ends. */
function hasEnded(text: string, before: Utc): boolean {
  try {
    const object = parseCalendarObject(text);
    if (object.kind === "VTODO" && !isFinished(object)) return false;
    if (object.kind !== "VTODO" && object.kind !== "VEVENT") return false;
    const { instances, complete } = instancesIn(object, { start: before, end: endOfTime }, utcZone, 1);
    return complete && instances.length === 0;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

const isFinished = ({ master, overrides }: CalendarObject): boolean =>
  [master, ...overrides].every(
    (component) =>
      component === undefined ||
      propertyOf(component, "COMPLETED") !== undefined ||
      propertyOf(component, "STATUS")?.value.trim().toUpperCase() === "COMPLETED",
  );

const removeUnchanged = (calendar: Collection, { name, etag }: ObjectEntry): Promise<boolean> =>
  calendar.change(async (change) => {
    if (change.entry(name)?.etag !== etag) return false;
    await change.remove(name);
    return true;
  });
