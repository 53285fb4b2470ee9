import { BodyAborted, BodyTooLarge, chunksOf } from "../../base/stream.ts";
import { refuseEncoded } from "../../http/body.ts";
import { HttpError, type HttpRequest } from "../../http/message.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Collection, Staged } from "../../store/contract.ts";
import type { Element, QName } from "../../xml/element.ts";
import type { Place } from "../methods/members.ts";
import type { Room } from "../methods/quota.ts";
import type { Context } from "../registry.ts";
import { isBox } from "./boxes.ts";

/** Bytes of a file outside the drop boxes, where no limit of attachments holds. */
const largestFile = 16 * 1024 * 1024;

/** The most bytes that a file at the place may have, and how more is refused. */
export function fileLimit({ collection }: Pick<Place, "collection">, { services: { settings } }: Context): number {
  const { maxSize } = settings.attachments;
  if (isBox(collection.ref)) return maxSize ?? Number.POSITIVE_INFINITY;
  return Math.max(largestFile, settings.maxResourceSize ?? largestFile);
}

/** What an upload must fit into. */
interface UploadBounds {
  /** Bytes. */
  readonly limit: number;
  /** Bytes that it takes the place of. */
  readonly replaced: number;
  readonly room: Room;
  readonly tooLarge: () => Refusal;
}

/** Takes the request's body to a staged file, never whole in memory. Says no before a byte is read when the headers say that it is too
 *  large. Throws Refusal(max-attachment-size, quota-not-exceeded, max-resource-size) and HttpError as `bodyOf` does. */
export async function stageUpload(
  request: HttpRequest,
  collection: Collection,
  { limit, replaced, room, tooLarge }: UploadBounds,
  properties: ReadonlyMap<QName, Element>,
): Promise<Staged> {
  refuseEncoded(request);
  const length = Number(request.headers["content-length"] ?? 0);
  if (length > limit) throw tooLarge();
  const info = await collection.info();
  room({ totals: () => info }, length - replaced);
  try {
    return await collection.stageChunks(chunksOf(request.body, limit), properties);
  } catch (error) {
    if (error instanceof BodyTooLarge) throw tooLarge();
    if (error instanceof BodyAborted) throw new HttpError(400, error.message);
    throw error;
  }
}

export const attachmentTooLarge = (limit: number, what = "one attachment"): Refusal =>
  new Refusal({ code: "max-attachment-size", problem: `${what} may have at most ${limit} bytes` });

/** What a file too large for its place is told. */
export const fileTooLarge = ({ collection }: Pick<Place, "collection">, limit: number): Refusal =>
  isBox(collection.ref) ? attachmentTooLarge(limit) : new Refusal({ code: "max-resource-size", limit });

/** Throws unless a box may grow by so many bytes. To be asked under its lock. */
export function refuseBeyondTotal(
  collection: Collection,
  bytes: number,
  growth: number,
  { services: { settings } }: Context,
): void {
  const { maxTotal } = settings.attachments;
  if (maxTotal === undefined || growth <= 0 || !isBox(collection.ref)) return;
  if (bytes + growth > maxTotal) throw attachmentTooLarge(maxTotal, "all attachments of an event together");
}
