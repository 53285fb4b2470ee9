import { depthOf } from "../../http/headers.ts";
import { HttpError } from "../../http/message.ts";
import { freeBusyComponent } from "../../ical/busy.ts";
import type { Property } from "../../ical/component.ts";
import { jcalType, toJCal } from "../../ical/jcal.ts";
import { writeComponent } from "../../ical/write.ts";
import type { TimeRange } from "../../model/ids.ts";
import { type BusyCalendar, busyTime } from "../../scheduling/free-busy.ts";
import { caldav, child } from "../../xml/element.ts";
import { prefersJCal } from "../methods/get.ts";
import { seesEverything } from "../privacy.ts";
import { product } from "../product.ts";
import { withPrivilege } from "../readable.ts";
import { type Context, report } from "../registry.ts";
import type { Resource } from "../resource.ts";
import { calendarsIn } from "./calendars.ts";
import { floatingZoneOf } from "./floating-zone.ts";
import { badRequest, timeRangeOf } from "./time-range.ts";

/** CALDAV:free-busy-query (RFC 4791 §7.10): 200 with one VFREEBUSY, not a multistatus. Who may only see busy time may ask it.
 *  Of PRIVATE objects others do not even see that (caldav-privateevents §4.2.3: read, and with it read-free-busy, is denied). */
export const freeBusyQuery = report({
  name: caldav("free-busy-query"),
  on: ["home", "folder", "calendar", "principal-type"],
  needs: "read-free-busy",
  parse(root): TimeRange {
    const range = child(root, caldav("time-range"));
    if (range === undefined) throw new HttpError(400, "a free-busy-query needs a CALDAV:time-range");
    return timeRangeOf(range, false, badRequest);
  },
  async run(range, resource, context, request) {
    const { now, settings } = context.services;
    const periods = await busyTime(calendars(resource, depthOf(request.headers, "0"), context), range, {
      limit: settings.maxQueryResults,
    });
    const freeBusy = freeBusyComponent({ range, stamp: now(), uid: undefined, properties: [] }, periods);
    const body = writeComponent({
      name: "VCALENDAR",
      properties: [line("VERSION", "2.0"), line("PRODID", product)],
      components: [freeBusy],
      line: 0,
    });
    return prefersJCal(request)
      ? { status: 200, headers: { "Content-Type": `${jcalType}; charset=utf-8` }, body: toJCal(body) }
      : { status: 200, headers: { "Content-Type": "text/calendar; charset=utf-8" }, body };
  },
});

const line = (name: string, value: string): Property => ({ name, parameters: [], value, line: 0 });

async function* calendars(
  resource: Resource,
  depth: "0" | "1" | "infinity",
  context: Context,
): AsyncGenerator<BusyCalendar> {
  for await (const calendar of calendarsIn(resource, depth, "read-free-busy", context)) {
    const { kind, collection, owner } = calendar;
    if (kind !== "calendar") continue;
    const counts = async (name: string): Promise<boolean> => {
      const entry = await collection.entry(name);
      return entry !== undefined && (await withPrivilege(calendar, [entry], "read-free-busy", context)).length > 0;
    };
    const withoutPrivate = context.services.settings.privateEvents && !(await seesEverything(owner, context));
    yield { collection, floatingZone: await floatingZoneOf(collection), withoutPrivate, counts };
  }
}
