import type { CurrentState } from "../../http/conditions.ts";
import { checkConditions, matchesTag } from "../../http/conditions.ts";
import { scheduleTagOf } from "../../http/headers.ts";
import type { HttpRequest } from "../../http/message.ts";
import { HttpError } from "../../http/message.ts";
import type { ETag } from "../../model/ids.ts";
import { earlierEtags } from "../../scheduling/store-object.ts";
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

/** A state that If-Match may name though it has passed. */
export interface Earlier {
  readonly etag: ETag;
  readonly scheduleTag: string;
}

/** What clients that know no schedule tags may go by (ScheduleTagCompatibility, as Calendar Server 2.4): an ETag that a scheduling
 *  object had since a person changed it last. What has come since are others' answers, which are merged with what the client sends. */
export async function earlierState(
  resource: Resource,
  { services: { settings } }: Context,
  { headers }: HttpRequest,
): Promise<Earlier | undefined> {
  const named = headers["if-match"];
  if (named === undefined || !("entry" in resource) || !settings.scheduling.tagCompatibility) return undefined;
  const { etag: present, scheduleTag } = resource.entry;
  if (scheduleTag === undefined) return undefined;
  // Read now, it may be an earlier one when the lock is held.
  for (const etag of [present, ...(await earlierEtags(resource.collection, resource.entry))])
    if (matchesTag(named, etag, false)) return { etag: etag as ETag, scheduleTag };
  return undefined;
}

/** The row as If-Match is to see it. */
const asNamed = <E extends { readonly scheduleTag: string | undefined }>(entry: E, earlier: Earlier | undefined): E =>
  earlier !== undefined && entry.scheduleTag === earlier.scheduleTag ? { ...entry, etag: earlier.etag } : entry;

/** Evaluates the conditional headers of a request that changes something (RFC 9110 §13) against the resource as resolved; the If
 *  header was asked in dispatch. What guards data is asked again under the collection's lock: `checkEntry`. Throws HttpError(412). */
export async function checkPreconditions(
  resource: Resource,
  _context: Context,
  request: HttpRequest,
  earlier?: Earlier,
): Promise<void> {
  const { headers } = request;
  if (
    headers["if-match"] !== undefined ||
    headers["if-none-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined
  )
    checkConditions(
      headers,
      "entry" in resource ? asNamed(resource.entry, earlier) : stateOf(resource),
      request.method,
    );
  checkScheduleTag(request, "entry" in resource ? resource.entry : undefined);
}

/** If-Match, If-None-Match, If-Unmodified-Since, If-Schedule-Tag-Match and If against a row that cannot move now.
 *  Throws HttpError(412). */
export function checkEntry(request: HttpRequest, entry: ObjectEntry | undefined, earlier?: Earlier): void {
  checkConditions(request.headers, entry && asNamed(entry, earlier), request.method);
  checkScheduleTag(request, entry);
  checkIfEntry(request, entry);
}

/** RFC 6638 §8.3 */
function checkScheduleTag({ headers }: HttpRequest, entry: ObjectEntry | undefined): void {
  const tag = scheduleTagOf(headers);
  if (tag !== undefined && entry?.scheduleTag !== tag)
    throw new HttpError(412, "the resource has another schedule tag");
}
