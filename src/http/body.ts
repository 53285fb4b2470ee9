import type { Buffer } from "node:buffer";
import { BodyAborted, BodyTooLarge, readAll } from "../base/stream.ts";
import { Refusal } from "../model/refusal.ts";
import { HttpError, type HttpRequest } from "./message.ts";

/** How a body that is too large is refused: by HTTP, or with CALDAV:max-resource-size (RFC 4791 §5.3.2.1). */
export type TooLarge = "413" | "max-resource-size";

/** The request's body, whole. A Content-Length over `limit` bytes is refused before anything is read.
 *  Throws HttpError(413) or Refusal(max-resource-size) as `tooLarge` says, HttpError(415) for a compressed body and
 *  HttpError(400) when the client went away. */
export async function bodyOf(request: HttpRequest, limit: number, tooLarge: TooLarge = "413"): Promise<Buffer> {
  refuseEncoded(request);
  const length = request.headers["content-length"];
  if (length !== undefined && Number(length) > limit) throw refusal(limit, tooLarge);
  try {
    // Not with request.signal, which costs more than reading: a body breaks off when the client goes away.
    return await readAll(request.body, limit);
  } catch (error) {
    if (error instanceof BodyTooLarge) throw refusal(limit, tooLarge);
    if (error instanceof BodyAborted) throw new HttpError(400, error.message);
    throw error;
  }
}

/** Throws HttpError(415) for a compressed body. */
export function refuseEncoded({ headers }: HttpRequest): void {
  const encoding = headers["content-encoding"]?.trim().toLowerCase();
  if (encoding !== undefined && encoding !== "" && encoding !== "identity")
    throw new HttpError(415, `the content encoding "${encoding.slice(0, 40)}" is not supported`, {
      "Accept-Encoding": "identity",
    });
}

const refusal = (limit: number, tooLarge: TooLarge): HttpError | Refusal =>
  tooLarge === "413"
    ? new HttpError(413, `the body is larger than ${limit} bytes`)
    : new Refusal({ code: "max-resource-size", limit });
