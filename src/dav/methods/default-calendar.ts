import { Refusal } from "../../model/refusal.ts";
import { caldav, textOf } from "../../xml/element.ts";
import type { Context } from "../registry.ts";
import { resolveHref } from "../resolve.ts";
import type { Shape } from "../resource.ts";

/** Throws Refusal(default-calendar-needed) for the calendar that invitations are put into (RFC 6638 §4.3). */
export async function refuseDefaultCalendar(calendar: Shape<"calendar">, context: Context): Promise<void> {
  if (await isDefault(calendar, context)) throw new Refusal({ code: "default-calendar-needed" });
}

/** Whether invitations would be put into this calendar (RFC 6638 §9.2). */
async function isDefault({ owner, collection }: Shape<"calendar">, context: Context): Promise<boolean> {
  const { path } = collection.ref;
  const inbox = await context.services.store.open({ owner, path: ["inbox"] });
  const url = (await inbox?.properties())?.get(caldav("schedule-default-calendar-URL"));
  const named = url && (await resolveHref(textOf(url), context));
  if (named?.kind !== "calendar" || named.owner.uid !== owner.uid) return path.length === 1 && path[0] === "calendar";
  return named.collection.ref.path.join("/") === path.join("/");
}
