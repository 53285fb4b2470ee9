import {
  evaluateIf,
  type IfHeader,
  ifResources,
  parseIf,
  type StateTokens,
  submittedTokens,
} from "../../http/if-header.ts";
import { HttpError, type HttpRequest } from "../../http/message.ts";
import { covering } from "../../model/lock.ts";
import { Refusal } from "../../model/refusal.ts";
import type { ObjectEntry } from "../../store/contract.ts";
import type { Context } from "../registry.ts";
import { resolveHref } from "../resolve.ts";
import type { Resource } from "../resource.ts";
import { lockPlaceOf } from "./place.ts";

/** An If header and what it was compared with. */
interface Evaluated {
  readonly header: IfHeader;
  readonly states: ReadonlyMap<string | undefined, StateTokens | undefined>;
  /** The header's names for the resource that the request is about. */
  readonly own: ReadonlySet<string | undefined>;
}

const evaluated = new WeakMap<HttpRequest, Evaluated>();
const nothing: ReadonlySet<string> = new Set();

/** Each has to be looked up, and may make a home; a DELETE names as many locks as there are in a folder. */
const mostResources = 100;

/** Compares the If header, if there is one, with the request's resource and all others that it names (RFC 4918 §10.4). For every
 *  method. Throws HttpError: 412 where it does not hold, 400 where it is malformed. */
export async function checkIf(resource: Resource, context: Context, request: HttpRequest): Promise<void> {
  const value = request.headers["if"];
  if (value === undefined) return;
  const header = parseIf(value);
  const named = ifResources(header);
  if (named.length > mostResources)
    throw new HttpError(400, `an If header may name at most ${mostResources} resources, found ${named.length}`);
  const key = keyOf(resource);
  const own = new Set<string | undefined>([undefined]);
  const states = new Map<string | undefined, StateTokens | undefined>([[undefined, await stateIn(resource, context)]]);
  for (const name of named) {
    const found = await resolveHref(name, context);
    if (found !== undefined && key !== undefined && keyOf(found) === key) own.add(name);
    // Of what the asker may not read the header tells nothing: it is as if there were nothing.
    const isHidden = found !== undefined && found.kind !== "unmapped" && !(await context.privileges(found)).has("read");
    states.set(name, found === undefined || isHidden ? undefined : await stateIn(found, context));
  }
  evaluated.set(request, { header, states, own });
  if (evaluateIf(header, (name) => states.get(name))) return;
  // A LOCK without body asks for more time, and the header says for which lock (§9.10.2).
  if (request.method === "LOCK" && isEmpty(request))
    throw new Refusal({ code: "lock-token-matches-request-uri", refresh: true });
  throw new HttpError(412, "the If header does not hold");
}

const isEmpty = ({ headers }: HttpRequest): boolean =>
  headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0;

/** The same for the row of the request's own member, which cannot move now. Throws HttpError(412). */
export function checkIfEntry(request: HttpRequest, entry: ObjectEntry | undefined): void {
  if (request.headers["if"] === undefined) return;
  const known = evaluated.get(request);
  if (known === undefined) return;
  const { header, states, own } = known;
  const before = states.get(undefined);
  const tokens = before?.tokens ?? nothing;
  const state = entry === undefined && tokens.size === 0 ? undefined : { etag: entry?.etag, tokens };
  if (!evaluateIf(header, (name) => (own.has(name) ? state : states.get(name))))
    throw new HttpError(412, "the If header does not hold any more");
}

/** The request's If header; undefined without one. */
export function ifOf(request: HttpRequest): IfHeader | undefined {
  const value = request.headers["if"];
  return value === undefined ? undefined : (evaluated.get(request)?.header ?? parseIf(value));
}

/** The state tokens that a request's If header names, held or not (RFC 4918 §10.4.1). */
export function submittedBy(request: HttpRequest): ReadonlySet<string> {
  const header = ifOf(request);
  return header === undefined ? nothing : submittedTokens(header);
}

/** Tells a resource of a home from others, whatever the address. */
function keyOf(resource: Resource): string | undefined {
  const place = lockPlaceOf(resource);
  return place && `${place.owner.uid}/${place.path}`;
}

/** What an If header may name of a resource: its entity tag, the tokens of the locks it is under, and its sync token (RFC 6578
 *  §5). undefined where there is neither a resource nor a lock. */
async function stateIn(
  resource: Resource,
  { services: { store, directory } }: Context,
): Promise<StateTokens | undefined> {
  const place = lockPlaceOf(resource);
  if (place === undefined)
    return resource.kind === "unmapped" ? undefined : { etag: `"${directory.generation()}"`, tokens: nothing };
  const tokens = covering(await store.locks.held(place.owner.uid), place.path).map(({ token }) => token);
  if (resource.kind === "unmapped") return tokens.length === 0 ? undefined : { tokens: new Set(tokens) };
  if ("entry" in resource) return { etag: resource.entry.etag, tokens: new Set(tokens) };
  if (!("info" in resource)) return { tokens: nothing };
  const { syncToken } = resource.info;
  return { etag: `"${syncToken}"`, tokens: new Set([...tokens, `data:,${syncToken}`]) };
}
