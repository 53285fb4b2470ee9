import { Turns } from "../../base/stream.ts";
import { depthOf } from "../../http/headers.ts";
import { HttpError } from "../../http/message.ts";
import { type CompFilter, matches } from "../../ical/filter.ts";
import { type FilterPlan, planFilter } from "../../ical/filter-plan.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import { matchesText } from "../../ical/text-match.ts";
import type { Zone } from "../../ical/zones.ts";
import type { ZonesAsked } from "../../ical/zones-by-reference.ts";
import { Refusal } from "../../model/refusal.ts";
import type { ObjectEntry } from "../../store/contract.ts";
import { caldav, child } from "../../xml/element.ts";
import { counted } from "../methods/count.ts";
import { appliedTo } from "../methods/preferences.ts";
import { isMinimal, multistatus, type PropRequest, parsePropRequest, responsesFor } from "../multistatus.ts";
import { seenText } from "../privacy.ts";
import { withPrivilege } from "../readable.ts";
import { type Context, report } from "../registry.ts";
import { memberResource } from "../resolve.ts";
import type { Resource } from "../resource.ts";
import { zonesAsked } from "../zones-asked.ts";
import { calendarData, type DataRequest, dataOf, dataRequestOf } from "./calendar-data.ts";
import { parseFilter } from "./calendar-filter.ts";
import { calendarsIn } from "./calendars.ts";
import { floatingZoneOf, zoneOfQuery } from "./floating-zone.ts";
import { type Member, membersOf, type ObjectCollection } from "./members.ts";

interface CalendarQuery {
  readonly asked: PropRequest;
  /** undefined: no calendar data is asked for. */
  readonly data: DataRequest | undefined;
  readonly filter: CompFilter;
  /** Where the query names a zone for floating times. */
  readonly zone: Zone | undefined;
}

/** CALDAV:calendar-query (RFC 4791 §7.8). The index answers what it can; only where the filter says more than it knows, or data
 *  is asked for, are files read. */
export const calendarQuery = report({
  name: caldav("calendar-query"),
  on: ["home", "folder", "calendar", "inbox", "outbox", "object", "principal-type"],
  needs: "read",
  parse(root): CalendarQuery {
    const filter = child(root, caldav("filter"));
    if (filter === undefined) throw new HttpError(400, "a calendar-query needs a CALDAV:filter");
    const asked = parsePropRequest(root);
    return { asked, data: dataRequestOf(asked), filter: parseFilter(filter), zone: zoneOfQuery(root) };
  },
  async run(query, resource, context, request) {
    const answer = new Answer(query, zonesAsked(request, context), context);
    const pages =
      resource.kind === "object"
        ? await answer.ofObject(resource)
        : await answer.ofCalendars(calendarsIn(resource, depthOf(request.headers, "0"), "read", context));
    return multistatus(
      responsesFor(query.asked, counted(pages, request), context, {
        minimal: isMinimal(request),
        computed: new Map([[calendarData, (member) => answer.dataOf(member)]]),
      }),
      { headers: appliedTo(request) },
    );
  },
});

/** The rows of one calendar that may match. */
interface Candidates {
  readonly calendar: ObjectCollection;
  readonly zone: Zone;
  readonly plan: FilterPlan;
}

class Answer {
  readonly #query: CalendarQuery;
  readonly #zones: ZonesAsked;
  readonly #context: Context;
  /** Texts of the page being written, with the zone their floating times are read in. */
  #texts = new Map<Resource, { readonly text: string; readonly zone: Zone }>();

  constructor(query: CalendarQuery, zones: ZonesAsked, context: Context) {
    this.#query = query;
    this.#zones = zones;
    this.#context = context;
  }

  dataOf(resource: Resource) {
    const { data } = this.#query;
    const member = this.#texts.get(resource);
    if (data === undefined || member === undefined) return undefined;
    return dataOf(member.text, data, this.#zones, member.zone, this.#context.services.settings.maxInstances);
  }

  /** A query on a member asks whether it matches. */
  async ofObject(resource: Extract<Resource, { kind: "object" }>): Promise<Iterable<readonly Resource[]>> {
    const zone = await this.#zoneFor(resource.collection);
    const content = await resource.collection.read(resource.entry.name);
    const text = content && (await seenText(content.bytes.toString(), resource.entry, resource.owner, this.#context));
    if (text === undefined || !this.#matches(text, zone)) return [];
    this.#texts.set(resource, { text, zone });
    return [[resource]];
  }

  /** The matching members, page by page. Beyond `maxQueryResults` the whole query is refused, so where there are more members
   *  than that the matching rows are counted before the first is given. */
  async ofCalendars(calendars: AsyncIterable<ObjectCollection>): Promise<AsyncIterable<readonly Resource[]>> {
    const candidates: Candidates[] = [];
    let objects = 0;
    for await (const calendar of calendars) {
      const zone = await this.#zoneFor(calendar.collection);
      candidates.push({ calendar, zone, plan: planFilter(this.#query.filter, zone) });
      objects += calendar.info.objects;
    }
    const limit = this.#context.services.settings.maxQueryResults;
    if (objects > limit) await this.#refuseBeyond(limit, candidates);
    return this.#pages(candidates);
  }

  async #refuseBeyond(limit: number, candidates: readonly Candidates[]): Promise<void> {
    let found = 0;
    for (const { calendar, zone, plan } of candidates)
      for await (const page of plan.exact ? this.#rows(calendar, plan) : this.#matching(calendar, plan, zone)) {
        found += page.length;
        if (found > limit) throw new Refusal({ code: "number-of-matches-within-limits", limit });
      }
  }

  async *#pages(candidates: readonly Candidates[]): AsyncGenerator<readonly Resource[]> {
    const withText = this.#query.data !== undefined;
    for (const { calendar, zone, plan } of candidates) {
      if (plan.exact && !withText) {
        for await (const page of this.#rows(calendar, plan)) yield page.map((entry) => memberResource(calendar, entry));
        continue;
      }
      const members = plan.exact
        ? membersOf(calendar, this.#rows(calendar, plan), this.#context)
        : this.#matching(calendar, plan, zone);
      for await (const page of members) {
        if (withText) this.#texts = new Map(page.map(({ resource, text }) => [resource, { text, zone }]));
        yield page.map(({ resource }) => resource);
      }
    }
  }

  /** The rows the index gives, less those whose UID cannot match and those the asker may not see. */
  async *#rows(calendar: ObjectCollection, plan: FilterPlan): AsyncGenerator<readonly ObjectEntry[]> {
    const { uids } = plan;
    for await (const found of calendar.collection.search(plan.condition)) {
      const page =
        uids.length === 0
          ? found
          : found.filter(({ uid }) => uid !== undefined && uids.every((test) => matchesText(uid, test)));
      yield withPrivilege(calendar, page, "read", this.#context);
    }
  }

  async *#matching(calendar: ObjectCollection, plan: FilterPlan, zone: Zone): AsyncGenerator<readonly Member[]> {
    const turns = new Turns();
    for await (const page of membersOf(calendar, this.#rows(calendar, plan), this.#context)) {
      const matching: Member[] = [];
      for (const member of page) {
        if (this.#matches(member.text, zone)) matching.push(member);
        // A long recurrence costs as much as many objects.
        await turns.next();
      }
      if (matching.length > 0) yield matching;
    }
  }

  #matches(text: string, zone: Zone): boolean {
    try {
      return matches(this.#query.filter, parseCalendarObject(text), zone);
    } catch (error) {
      // It was indexed in an earlier state, or holds a value that cannot be read: it matches nothing.
      if (error instanceof Refusal) return false;
      throw error;
    }
  }

  async #zoneFor(collection: ObjectCollection["collection"]): Promise<Zone> {
    return this.#query.zone ?? floatingZoneOf(collection);
  }
}
