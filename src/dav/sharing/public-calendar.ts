import { bundle } from "../../ical/bundle.ts";
import { propertyOf } from "../../ical/component.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import { withoutPersonal } from "../../ical/personal.ts";
import type { ETag, Utc } from "../../model/ids.ts";
import type { Privilege } from "../../model/privilege.ts";
import { openPublished } from "../../sharing/published.ts";
import { dav, textOf } from "../../xml/element.ts";
import { collectionResource } from "../children.ts";
import { textsOf } from "../methods/get.ts";
import { makePrivileges } from "../privileges.ts";
import { product } from "../product.ts";
import type { Context, Services } from "../registry.ts";
import type { Shape } from "../resource.ts";

const published: ReadonlySet<Privilege> = new Set<Privilege>(["read", "read-free-busy"]);

/** A published calendar as a stranger sees it: without what is private, and without anybody's alarms. undefined: the token leads
 *  nowhere (any more). */
export async function publicCalendar(
  token: string,
  services: Services,
): Promise<{ readonly etag: ETag; readonly modified: Utc; stream(): AsyncIterable<string> } | undefined> {
  const collection = await openPublished(token, services);
  if (collection === undefined) return undefined;
  const { urls } = services;
  const found = await collectionResource(urls.collection(collection.ref), collection.ref.owner, collection);
  const calendar = found as Shape<"calendar">;
  const rights = makePrivileges(undefined, services);
  // Published is what has no rights of its own; the rest is as open as its ACL makes it, and nothing private.
  const stranger: Context = {
    user: undefined,
    services,
    privileges: async (resource) =>
      "entry" in resource && !resource.entry.hasAcl && resource.entry.access !== "PRIVATE"
        ? published
        : rights(resource),
  };
  const { syncToken, properties, modified } = calendar.info;
  return {
    etag: `"${syncToken}-${properties}"` as ETag,
    modified,
    async *stream() {
      const name = (await collection.properties()).get(dav("displayname"));
      yield* bundle(shown(calendar, stranger), { product, ...(name === undefined ? {} : { name: textOf(name) }) });
    },
  };
}

async function* shown(calendar: Shape<"calendar">, stranger: Context): AsyncGenerator<string> {
  for await (const text of textsOf(calendar, "stored", stranger)) if (isPublic(text)) yield withoutPersonal(text);
}

/** RFC 5545 §3.8.1.3: what its writer did not mean for everybody is not published, though those who share the calendar see it. */
function isPublic(text: string): boolean {
  if (!/CLASS/i.test(text)) return true;
  try {
    const { master, overrides } = parseCalendarObject(text);
    return [master, ...overrides].every((component) => {
      const value = component && propertyOf(component, "CLASS")?.value.trim().toUpperCase();
      return value === undefined || value === "PUBLIC";
    });
  } catch {
    return false;
  }
}
