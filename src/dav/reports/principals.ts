import { HttpError, type HttpRequest, type HttpResponse } from "../../http/message.ts";
import { type Principal, type RecordType, recordTypes } from "../../model/principal.ts";
import { child, childrenNamed, cs, dav, type Element, el, elements, elWith, textOf, XML } from "../../xml/element.ts";
import { writeXml } from "../../xml/write.ts";
import {
  isMinimal,
  multistatus,
  type PropRequest,
  parsePropRequest,
  responsesFor,
  statusResponse,
  xmlType,
} from "../multistatus.ts";
import { type Context, report } from "../registry.ts";
import { navigationKinds, principalKinds, type Resource, resourceKinds } from "../resource.ts";
import {
  type Criterion,
  found,
  meeting,
  meetingWords,
  queryOf,
  queryOfWords,
  requireDepth0,
  searchFields,
  typesOfCalendarUser,
} from "./principal-search.ts";

export { aclPrincipalPropSet, principalMatch } from "./principal-match.ts";

/** Principals in one answer, as the original. */
const maxFound = 500;

/** DAV:principal-search-property-set (RFC 3744 §9.5). */
export const principalSearchPropertySet = report({
  name: dav("principal-search-property-set"),
  on: ["principal-root", "principal-type"],
  needs: "read",
  parse: () => undefined,
  async run(_query, _resource, _context, request): Promise<HttpResponse> {
    requireDepth0(request);
    return { status: 200, headers: { "Content-Type": xmlType }, body: searchable };
  },
});

const searchable = writeXml(
  el(
    dav("principal-search-property-set"),
    ...[...searchFields].map(([name, { description }]) =>
      el(
        dav("principal-search-property"),
        el(dav("prop"), el(name)),
        elWith(dav("description"), { [`{${XML}}lang`]: "en" }, description),
      ),
    ),
  ),
);

interface Search {
  readonly asked: PropRequest;
  readonly criteria: readonly Criterion[];
  readonly anyOf: boolean;
  /** undefined: of any type. */
  readonly types: readonly RecordType[] | undefined;
  readonly everywhere: boolean;
  readonly limit: number;
}

/** DAV:principal-property-search (RFC 3744 §9.4), with the original's attributes `test` and `type` on it, `match-type` and
 *  `caseless` on DAV:match, and CS:limit. */
export const principalPropertySearch = report({
  name: dav("principal-property-search"),
  on: resourceKinds,
  needs: "read",
  parse(root): Search {
    const searches = childrenNamed(root, dav("property-search"));
    if (searches.length === 0) throw new HttpError(400, "a principal-property-search needs a DAV:property-search");
    const { type } = root.attributes;
    const types = type === undefined ? undefined : typesOfCalendarUser(type);
    if (type !== undefined && types === undefined)
      throw new HttpError(400, `type must be INDIVIDUAL, GROUP, RESOURCE or ROOM, found "${type}"`);
    return {
      asked: parsePropRequest(root),
      criteria: searches.map(criterionOf),
      anyOf: attribute(root, "test", ["allof", "anyof"], "allof") === "anyof",
      types,
      everywhere: child(root, dav("apply-to-principal-collection-set")) !== undefined,
      limit: limitOf(root),
    };
  },
  async run(query, resource, context, request) {
    requireDepth0(request);
    const scope = scopeOf(query.everywhere ? undefined : resource);
    const types = scope.filter((type) => query.types?.includes(type) ?? true);
    const { criteria, anyOf } = query;
    const principals = await found(types, queryOf(criteria, anyOf), meeting(criteria, anyOf), query.limit, context);
    return listed(principals, query, resource, context, request);
  },
});

function criterionOf(search: Element): Criterion {
  const prop = child(search, dav("prop"));
  const match = child(search, dav("match"));
  if (prop === undefined || match === undefined)
    throw new HttpError(400, "a DAV:property-search holds a DAV:prop and a DAV:match");
  return {
    properties: elements(prop).map(({ name }) => name),
    text: textOf(match),
    type: attribute(match, "match-type", ["contains", "equals", "starts-with", "ends-with"], "contains"),
    caseless: attribute(match, "caseless", ["yes", "no"], "yes") === "yes",
  };
}

function attribute<T extends string>(element: Element, name: string, values: readonly T[], fallback: T): T {
  const value = element.attributes[name] ?? fallback;
  const known = values.find((one) => one === value);
  if (known === undefined) throw new HttpError(400, `${name} must be one of ${values.join(", ")}, found "${value}"`);
  return known;
}

/** CS:limit, at most the server's own. */
function limitOf(root: Element): number {
  const limit = child(root, cs("limit"));
  if (limit === undefined) return maxFound;
  const nresults = child(limit, cs("nresults"));
  const text = nresults === undefined ? "" : textOf(nresults).trim();
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new HttpError(400, `CS:nresults must be a positive number, found "${text}"`);
  return Math.min(Number(text), maxFound);
}

/** The types that lie at or below the place; all of them for undefined. */
function scopeOf(place: Resource | undefined): readonly RecordType[] {
  if (place === undefined || place.kind === "principal-root" || place.kind === "root") return recordTypes;
  if (place.kind !== "principal-type") return [];
  return recordTypes.filter((type) => type === place.type || place.type === "__uids__");
}

/** The principals' responses under their canonical addresses, and 507 for the request's own when there are more. */
function listed(
  principals: readonly Principal[],
  { asked, limit }: Pick<Search, "asked" | "limit">,
  resource: Resource,
  context: Context,
  request: HttpRequest,
): Promise<HttpResponse> {
  const shown: readonly Resource[] = principals
    .slice(0, limit)
    .map((principal) => ({ kind: "principal", href: context.services.urls.principal(principal), principal }));
  request.log.items.push(`responses=${shown.length}`);
  return multistatus(withMore(responsesFor(asked, [shown], context, { minimal: isMinimal(request) })));

  async function* withMore(responses: AsyncIterable<string>): AsyncGenerator<string> {
    yield* responses;
    if (principals.length > limit)
      yield statusResponse(resource.href, 507, el(dav("number-of-matches-within-limits")), `more than ${limit} found`);
  }
}

const contexts: Readonly<Record<string, readonly RecordType[]>> = {
  user: ["users"],
  group: ["groups"],
  location: ["locations"],
  resource: ["resources"],
  attendee: ["users", "groups", "resources"],
};

/** CS:calendarserver-principal-search: what macOS asks while somebody types the name of an invitee. */
export const calendarserverPrincipalSearch = report({
  name: cs("calendarserver-principal-search"),
  on: [...navigationKinds, ...principalKinds, "home", "calendar", "inbox", "outbox"],
  needs: "read",
  parse(root) {
    const { context: name } = root.attributes;
    const types = name === undefined ? recordTypes : contexts[name];
    if (types === undefined)
      throw new HttpError(400, `context must be one of ${Object.keys(contexts).join(", ")}, found "${name}"`);
    const words = childrenNamed(root, cs("search-token")).flatMap((token) => textOf(token).trim() || []);
    if (words.length === 0) throw new HttpError(400, "a calendarserver-principal-search needs a CS:search-token");
    return { asked: parsePropRequest(root), types, words, limit: limitOf(root) };
  },
  async run({ types, words, ...query }, resource, context, request) {
    requireDepth0(request);
    const principals = await found(types, queryOfWords(words), meetingWords(words), query.limit, context);
    return listed(principals, query, resource, context, request);
  },
});
