import { HttpError, type HttpRequest } from "../../http/message.ts";
import { parseReference } from "../../http/uri.ts";
import type { Href } from "../../model/ids.ts";
import { Refusal } from "../../model/refusal.ts";
import { placeOf } from "../../sharing/shared-collection.ts";
import type { ObjectEntry } from "../../store/contract.ts";
import { caldav, childrenNamed, dav, textOf } from "../../xml/element.ts";
import { collectionResource } from "../children.ts";
import { appliedTo } from "../methods/preferences.ts";
import {
  isMinimal,
  multistatus,
  type PropRequest,
  parsePropRequest,
  responsesFor,
  statusResponse,
} from "../multistatus.ts";
import { type Context, report } from "../registry.ts";
import { memberResource, resolveHref } from "../resolve.ts";
import type { Resource, Shape } from "../resource.ts";
import { zonesAsked } from "../zones-asked.ts";
import { calendarData, type DataRequest, dataOf, dataRequestOf } from "./calendar-data.ts";
import { floatingZoneOf } from "./floating-zone.ts";
import { type Member, memberOf, type ObjectCollection } from "./members.ts";

interface Multiget {
  readonly asked: PropRequest;
  readonly data: DataRequest | undefined;
  /** As the client wrote them. */
  readonly hrefs: readonly string[];
}

// The original answered these reports below /principals/ too, and found nothing there.
type Scope = Shape<"home" | "folder" | "calendar" | "inbox" | "outbox" | "object" | "principal-type">;

/** CALDAV:calendar-multiget (RFC 4791 §7.9): the named members. What is not there, or not inside the
 *  resource the report was sent to, answers 404; what the asker may not read, 403. Depth has no meaning. */
export const calendarMultiget = report({
  name: caldav("calendar-multiget"),
  on: ["home", "folder", "calendar", "inbox", "outbox", "object", "principal-type"],
  needs: "read",
  parse(root, { services: { settings } }): Multiget {
    const asked = parsePropRequest(root);
    const named = childrenNamed(root, dav("href"));
    if (named.length === 0) throw new HttpError(400, "a calendar-multiget names at least one DAV:href");
    if (named.length > settings.maxMultigetHrefs)
      throw new Refusal({ code: "number-of-matches-within-limits", limit: settings.maxMultigetHrefs });
    return { asked, data: dataRequestOf(asked), hrefs: named.map((element) => textOf(element).trim()) };
  },
  async run(query, resource, context, request) {
    request.log.items.push(`rcount=${query.hrefs.length}`);
    return multistatus(responses(query, resource, context, request), { headers: appliedTo(request) });
  },
});

/** Looked up and read together. */
const slice = 32;

async function* responses(
  { asked, data, hrefs }: Multiget,
  scope: Scope,
  context: Context,
  request: HttpRequest,
): AsyncGenerator<string> {
  const { maxInstances } = context.services.settings;
  const zones = zonesAsked(request, context);
  let texts = new Map<Resource, Member>();
  const options = {
    minimal: isMinimal(request),
    unreadable: "refuse" as const,
    computed: new Map([
      [
        calendarData,
        (resource: Resource) => {
          const member = texts.get(resource);
          if (data === undefined || member === undefined || !("collection" in resource)) return undefined;
          // Only an expansion needs the zone; the text as it is stored is given at once.
          if (data.selection === undefined) return dataOf(member.text, data, zones, undefined, maxInstances);
          return floatingZoneOf(resource.collection).then((zone) =>
            dataOf(member.text, data, zones, zone, maxInstances),
          );
        },
      ],
    ]),
  };
  for (let from = 0; from < hrefs.length; from += slice) {
    const some = hrefs.slice(from, from + slice);
    const found = await findAll(some, scope, data !== undefined, context);
    texts = new Map();
    let missing = "";
    const resources: Resource[] = [];
    for (const [at, member] of found.entries()) {
      if (member === undefined) missing += statusResponse(pathOf(some[at] ?? ""), 404);
      else {
        resources.push(member.resource);
        texts.set(member.resource, member);
      }
    }
    yield* responsesFor(asked, [resources], context, options);
    if (missing !== "") yield missing;
  }
}

/** The members the hrefs name, their hrefs as the client wrote them; undefined for what is not there or not in scope. */
async function findAll(
  hrefs: readonly string[],
  scope: Scope,
  withText: boolean,
  context: Context,
): Promise<readonly (Member | undefined)[]> {
  if (scope.kind !== "calendar" && scope.kind !== "inbox")
    return Promise.all(hrefs.map((href) => find(href, scope, withText, context)));
  // Nearly always every href begins with the calendar's own; their rows are looked up together.
  const names = hrefs.map((href) =>
    href.startsWith(scope.href) ? segmentOf(href.slice(scope.href.length)) : undefined,
  );
  const known = names.filter((name) => name !== undefined);
  const rows = await scope.collection.entriesNamed(known);
  let next = 0;
  return Promise.all(
    hrefs.map((href, at) => {
      if (names[at] === undefined) return find(href, scope, withText, context);
      const entry = rows[next++];
      return entry && member(entry, scope, href as Href, withText, context);
    }),
  );
}

/** As `findAll`, by the whole address. */
async function find(href: string, scope: Scope, withText: boolean, context: Context): Promise<Member | undefined> {
  const resource = await resolveHref(href, context);
  if (resource?.kind !== "object" || !isInside(resource, scope)) return undefined;
  const { owner, collection, entry } = resource;
  const above = resource.href.slice(0, resource.href.lastIndexOf("/") + 1) as Href;
  const calendar = await collectionResource(above, owner, collection);
  if (calendar.kind !== "calendar" && calendar.kind !== "inbox") return undefined;
  return member(entry, calendar, pathOf(href) as Href, withText, context);
}

/** The name that a last segment writes; undefined when it is more than one segment, or none. */
function segmentOf(written: string): string | undefined {
  if (written === "" || written.includes("/")) return undefined;
  if (!written.includes("%")) return written;
  try {
    return decodeURIComponent(written);
  } catch {
    return undefined;
  }
}

const pathOf = (href: string): string => parseReference(href)?.rawPath ?? href;

async function member(
  entry: ObjectEntry,
  parent: ObjectCollection,
  href: Href,
  withText: boolean,
  context: Context,
): Promise<Member | undefined> {
  const found = withText
    ? await memberOf(parent, entry, context)
    : { resource: memberResource(parent, entry), text: "" };
  if (found === undefined || found.resource.href === href) return found;
  return { ...found, resource: { ...found.resource, href } };
}

/** Whether the object is the resource the report was sent to, or lies below it. */
function isInside({ collection, entry }: Shape<"object">, scope: Scope): boolean {
  if (scope.kind === "principal-type") return false;
  const { owner, path } = placeOf(scope.collection);
  const { owner: holder, path: below } = placeOf(collection);
  if (holder.uid !== owner.uid) return false;
  if (!path.every((segment, at) => segment === below[at])) return false;
  if ("entry" in scope) return below.length === path.length && entry.name === scope.entry.name;
  return true;
}
