import type { CurrentState } from "../../http/conditions.ts";
import { checkConditions } from "../../http/conditions.ts";
import { scheduleTagOf } from "../../http/headers.ts";
import type { StateTokens } from "../../http/if-header.ts";
import { evaluateIf, ifResources, parseIf } from "../../http/if-header.ts";
import type { HttpRequest } from "../../http/message.ts";
import { HttpError } from "../../http/message.ts";
import type { ObjectEntry } from "../../store/contract.ts";
import type { Context } from "../registry.ts";
import { resolveHref } from "../resolve.ts";
import type { Resource } from "../resource.ts";

/** The state that conditional headers are compared with; undefined where there is no resource. A collection's tag is its
 *  state, as in DAV:getetag. */
export function stateOf(resource: Resource): CurrentState | undefined {
  if (resource.kind === "unmapped") return undefined;
  if ("entry" in resource) return resource.entry;
  if ("info" in resource) return { etag: `"${resource.info.syncToken}"`, modified: resource.info.modified };
  return {};
}

/** Evaluates the conditional headers of a request that changes something (RFC 9110 §13, RFC 4918 §10.4) against the resource as
 *  resolved. What guards data is asked again under the collection's lock: `checkEntry`. Throws HttpError(412). */
export async function checkPreconditions(resource: Resource, context: Context, request: HttpRequest): Promise<void> {
  const { headers } = request;
  if (
    headers["if-match"] !== undefined ||
    headers["if-none-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined
  )
    checkConditions(headers, stateOf(resource), request.method);
  checkScheduleTag(request, "entry" in resource ? resource.entry : undefined);
  const value = headers["if"];
  if (value === undefined) return;
  const header = parseIf(value);
  const states = new Map<string | undefined, StateTokens | undefined>([[undefined, tokensOf(resource)]]);
  for (const named of ifResources(header)) {
    const found = await resolveHref(named, context);
    // Of what the asker may not read the header tells nothing: it is as if there were nothing.
    const seen = found !== undefined && (await context.privileges(found)).has("read");
    states.set(named, seen ? tokensOf(found) : undefined);
  }
  if (!evaluateIf(header, (named) => states.get(named))) throw new HttpError(412, "the If header does not hold");
}

// The only state tokens are sync tokens (RFC 6578 §5): there are no locks.
function tokensOf(resource: Resource): StateTokens | undefined {
  if (resource.kind === "unmapped") return undefined;
  const tokens = "info" in resource ? [`data:,${resource.info.syncToken}`] : [];
  return { etag: stateOf(resource)?.etag, tokens: new Set(tokens) };
}

/** If-Match, If-None-Match, If-Unmodified-Since and If-Schedule-Tag-Match against a row that cannot move now.
 *  Throws HttpError(412). */
export function checkEntry(request: HttpRequest, entry: ObjectEntry | undefined): void {
  checkConditions(request.headers, entry, request.method);
  checkScheduleTag(request, entry);
}

/** RFC 6638 §8.3 */
function checkScheduleTag({ headers }: HttpRequest, entry: ObjectEntry | undefined): void {
  const tag = scheduleTagOf(headers);
  if (tag !== undefined && entry?.scheduleTag !== tag)
    throw new HttpError(412, "the resource has another schedule tag");
}
