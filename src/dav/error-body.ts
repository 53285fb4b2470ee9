import { LockTimeout } from "../base/sqlite.ts";
import { BodyAborted, BodyTooLarge } from "../base/stream.ts";
import { HttpError, type HttpRequest, type HttpResponse } from "../http/message.ts";
import { Refusal } from "../model/refusal.ts";
import { CollectionGone } from "../store/transaction.ts";
import { dav, type Element, el, type QName, TWISTED } from "../xml/element.ts";
import { XmlError } from "../xml/read.ts";
import { writeXml } from "../xml/write.ts";
import { conditionOf } from "./conditions.ts";
import { xmlType } from "./multistatus.ts";
import type { Context } from "./registry.ts";

type Headers = Readonly<Record<string, string | readonly string[]>>;

const description: QName = `{${TWISTED}}error-description`;

/** DAV:error with the precondition, and the sentence for a person where the original put it (RFC 4918 §16, darwin/3 §8.9). */
export const errorBody = (condition: Element | undefined, text?: string): string =>
  writeXml(
    el(
      dav("error"),
      ...(condition === undefined ? [] : [condition]),
      ...(text === undefined ? [] : [el(description, text)]),
    ),
  );

const answer = (status: number, condition: Element | undefined, text: string, headers: Headers = {}): HttpResponse => ({
  status,
  headers: { ...headers, "content-type": xmlType },
  body: errorBody(condition, text),
});

/** Turns what was thrown into the answer. A Refusal becomes its precondition, missing rights of a client that has not signed
 *  in a 401 with `challenge()`; a full disk 507; anything unforeseen 500 with a line in the error log and no detail outside. */
export function errorResponse(
  error: unknown,
  request: HttpRequest,
  context: Context,
  challenge: () => Headers,
): HttpResponse {
  if (error instanceof Refusal) {
    const { status, element, text } = conditionOf(error.reason);
    // Which resource lacks which right is no stranger's business.
    if (error.reason.code === "need-privileges" && context.user === undefined)
      return answer(401, undefined, "sign in first", challenge());
    return answer(status, element, text);
  }
  if (error instanceof HttpError) {
    const headers = error.status === 401 ? { ...challenge(), ...error.headers } : error.headers;
    if (error.status < 400) return { status: error.status, headers };
    return answer(error.status, undefined, error.message, headers);
  }
  if (error instanceof XmlError) return answer(400, undefined, error.message);
  if (error instanceof BodyTooLarge) return answer(413, undefined, error.message);
  if (error instanceof BodyAborted) return answer(400, undefined, error.message);
  if (error instanceof CollectionGone) return answer(404, undefined, `${request.rawPath} does not exist any more`);
  const { method, rawPath } = request;
  if (error instanceof LockTimeout) {
    context.services.warn("a lock was not released in time", { method, path: rawPath, error });
    return answer(503, undefined, "another process holds this collection; try again", { "retry-after": "5" });
  }
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOSPC" || code === "EDQUOT") {
    context.services.warn("the disk is full", { method, path: rawPath, error });
    const { status, element, text } = conditionOf({ code: "sufficient-disk-space" });
    return answer(status, element, text);
  }
  if (code === "ENAMETOOLONG") return answer(403, undefined, "the name is too long: at most 255 bytes");
  // Made or moved there while a file of that name was on its way.
  if (code === "EISDIR") return answer(409, undefined, `there is a collection at ${rawPath.slice(0, 200)} by now`);
  context.services.warn("a request failed", { method, path: rawPath, error });
  return answer(500, undefined, "the server failed to answer; its error log says why");
}
