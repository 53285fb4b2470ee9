import type { Principal } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import { calendarsBelow, freeBusySet as countedCalendars } from "../../scheduling/free-busy-set.ts";
import type { Collection } from "../../store/contract.ts";
import { caldav, child, childrenNamed, dav, type Element, el, href, textOf } from "../../xml/element.ts";
import { collectionResource } from "../children.ts";
import { type Context, property } from "../registry.ts";
import { resolveHref } from "../resolve.ts";
import type { Resource, Shape } from "../resource.ts";

/** The calendar that an href names, whoever owns it. One of which the asker may not even know the busy time is
 *  not there. */
async function calendarAt(address: string, context: Context): Promise<Shape<"calendar"> | undefined> {
  const found: Resource | undefined = await resolveHref(address, context);
  return found?.kind === "calendar" && (await context.privileges(found)).has("read-free-busy") ? found : undefined;
}

/** Whether the asker may hear of a calendar that a property of the owner's inbox names. */
const isNamed = async (calendar: Collection, owner: Principal, context: Context): Promise<boolean> => {
  if (context.user?.uid === owner.uid) return true;
  const { ref } = calendar;
  const place = await collectionResource(context.services.urls.collection(ref), ref.owner, calendar);
  return (await context.privileges(place)).has("read");
};

const hrefsIn = (value: Element): readonly string[] =>
  childrenNamed(value, dav("href")).map((element) => textOf(element).trim());

/** caldav-sched draft §6.1, RFC 6638 leaves it out: the calendars that count for free-busy. Clients of 2007 set it; today's say
 *  so on each calendar (schedule-calendar-transp), and each sees what the other kind has set: the value is the calendars that
 *  count, and setting it tells the calendars that say something themselves. Only what is added is checked, so that a list with a
 *  calendar that is gone can still be edited. */
export const freeBusySet = property({
  name: caldav("calendar-free-busy-set"),
  on: ["inbox"],
  allprop: false,
  get: async ({ owner, collection }, context) => {
    const { store, urls } = context.services;
    const found: Element[] = [];
    const opened = async (address: string) => (await calendarAt(address, context))?.collection;
    for await (const calendar of countedCalendars(owner, collection, store, opened))
      if (await isNamed(calendar, owner, context)) found.push(href(urls.collection(calendar.ref)));
    return found;
  },
  accept: async (value, { owner, collection }, context) => {
    if (value === null) return null;
    const before = (await collection.properties()).get(caldav("calendar-free-busy-set"));
    const kept = new Set(before === undefined ? [] : hrefsIn(before));
    const canonical: Element[] = [];
    for (const address of hrefsIn(value)) {
      const calendar = await calendarAt(address, context);
      if (calendar === undefined && !kept.has(address))
        throw new Refusal({ code: "valid-calendar-url", problem: `${address.slice(0, 200)} is not a calendar here` });
      const { urls } = context.services;
      canonical.push(href(calendar === undefined ? address : urls.collection(calendar.collection.ref)));
    }
    await tellCalendars(owner, new Set(canonical.map((one) => textOf(one))), context);
    return el(caldav("calendar-free-busy-set"), ...canonical);
  },
});

const transparency = caldav("schedule-calendar-transp");

/** A calendar's own word goes before the list, so it is made to say the same. */
async function tellCalendars(owner: Principal, listed: ReadonlySet<string>, { services }: Context): Promise<void> {
  for await (const calendar of calendarsBelow({ owner, path: [] }, services.store)) {
    const said = (await calendar.properties()).get(transparency);
    const isListed = listed.has(services.urls.collection(calendar.ref));
    if (said === undefined || isListed === (child(said, caldav("transparent")) === undefined)) continue;
    const now = el(transparency, el(caldav(isListed ? "opaque" : "transparent")));
    await calendar.change((change) => change.setProperties(undefined, new Map([[transparency, now]])));
  }
}

/** RFC 6638 §9.2: where invitations go. Falls back to the home's `calendar` when the one that was set is gone. */
export const defaultCalendarUrl = property({
  name: caldav("schedule-default-calendar-URL"),
  on: ["inbox"],
  allprop: false,
  get: async ({ owner }, context, _requested, stored) => {
    const set = stored && hrefsIn(stored)[0];
    const { store, urls } = context.services;
    const found = set === undefined ? undefined : await calendarAt(set, context);
    const calendar = found?.collection ?? (await store.open({ owner, path: ["calendar"] }));
    return calendar && (await isNamed(calendar, owner, context)) ? href(urls.collection(calendar.ref)) : undefined;
  },
  accept: async (value, { owner }, context) => {
    if (value === null) return null;
    const [address, ...others] = hrefsIn(value);
    const calendar = address === undefined || others.length > 0 ? undefined : await calendarAt(address, context);
    if (calendar?.owner.uid !== owner.uid)
      throw new Refusal({
        code: "valid-schedule-default-calendar-URL",
        problem: "it must be the href of one calendar of this user",
      });
    return el(caldav("schedule-default-calendar-URL"), href(context.services.urls.collection(calendar.collection.ref)));
  },
});
