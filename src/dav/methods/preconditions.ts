import type { CurrentState } from "../../http/conditions.ts";
import { checkConditions } from "../../http/conditions.ts";
import { scheduleTagOf } from "../../http/headers.ts";
import type { HttpRequest } from "../../http/message.ts";
import { HttpError } from "../../http/message.ts";
import type { ObjectEntry } from "../../store/contract.ts";
import { checkIfEntry } from "../locks/if-state.ts";
import type { Context } from "../registry.ts";
import type { Resource } from "../resource.ts";

/** The state that conditional headers are compared with; undefined where there is no resource. A collection's tag is its
 *  state, as in DAV:getetag. */
export function stateOf(resource: Resource): CurrentState | undefined {
  if (resource.kind === "unmapped") return undefined;
  if ("entry" in resource) return resource.entry;
  if ("info" in resource) return { etag: `"${resource.info.syncToken}"`, modified: resource.info.modified };
  return {};
}

/** Evaluates the conditional headers of a request that changes something (RFC 9110 §13) against the resource as resolved; the If
 *  header was asked in dispatch. What guards data is asked again under the collection's lock: `checkEntry`. Throws HttpError(412). */
export async function checkPreconditions(resource: Resource, _context: Context, request: HttpRequest): Promise<void> {
  const { headers } = request;
  if (
    headers["if-match"] !== undefined ||
    headers["if-none-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined
  )
    checkConditions(headers, stateOf(resource), request.method);
  checkScheduleTag(request, "entry" in resource ? resource.entry : undefined);
}

/** If-Match, If-None-Match, If-Unmodified-Since, If-Schedule-Tag-Match and If against a row that cannot move now.
 *  Throws HttpError(412). */
export function checkEntry(request: HttpRequest, entry: ObjectEntry | undefined): void {
  checkConditions(request.headers, entry, request.method);
  checkScheduleTag(request, entry);
  checkIfEntry(request, entry);
}

/** RFC 6638 §8.3 */
function checkScheduleTag({ headers }: HttpRequest, entry: ObjectEntry | undefined): void {
  const tag = scheduleTagOf(headers);
  if (tag !== undefined && entry?.scheduleTag !== tag)
    throw new HttpError(412, "the resource has another schedule tag");
}
