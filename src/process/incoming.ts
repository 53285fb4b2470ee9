import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { HttpError, type HttpRequest, type RequestLog } from "../http/message.ts";
import { decodePath, parseReference } from "../http/uri.ts";

/** Methods that X-HTTP-Method-Override may name on a POST: those of DAV, and no others (a POST that turns into GET or POST
 *  hides nothing from anybody). */
const tunnelled = new Set([
  "ACL",
  "COPY",
  "DELETE",
  "MKCALENDAR",
  "MKCOL",
  "MOVE",
  "OPTIONS",
  "PROPFIND",
  "PROPPATCH",
  "PUT",
  "REPORT",
  "SEARCH",
]);

/** Of nearly all requests; nobody adds to it. */
const noQuery = new URLSearchParams();

/** The method a request means. Throws HttpError 400 for an override that is none of DAV's, 405 for TRACE, which would hand
 *  back the credentials it was sent with. */
const effectiveMethod = (message: IncomingMessage): string => {
  const method = message.method ?? "GET";
  if (method === "POST") {
    const override = message.headers["x-http-method-override"];
    if (override === undefined) return method;
    const meant = String(override).trim().toUpperCase();
    if (!tunnelled.has(meant))
      throw new HttpError(
        400,
        `X-HTTP-Method-Override: ${JSON.stringify(override)} is not a method of WebDAV or CalDAV`,
      );
    return meant;
  }
  if (method === "TRACE" || method === "CONNECT")
    throw new HttpError(405, `${method} is not served here`, {
      Allow: "OPTIONS, GET, HEAD, POST, PUT, DELETE, PROPFIND, REPORT",
    });
  return method;
};

/** Path and query of a request target in origin form, absolute form (RFC 9112 §3.2.2) or, for OPTIONS, `*`, which is taken as
 *  the root: what it asks holds for the whole server. */
const splitTarget = (target: string, method: string): { readonly path: string; readonly query: string } => {
  if (target.charCodeAt(0) !== 47) {
    if (target === "*" && method === "OPTIONS") return { path: "/", query: "" };
    const reference = parseReference(target);
    if (reference === undefined) throw new HttpError(400, "The request target is neither a path nor an absolute URL");
    return { path: reference.rawPath, query: reference.query };
  }
  const question = target.indexOf("?");
  return question < 0
    ? { path: target, query: "" }
    : { path: target.slice(0, question), query: target.slice(question + 1) };
};

/** A request from a socket. What few handlers ask for (query, signal) is made when asked for: measured, an AbortController
 *  alone costs as much as all the rest of the listener. */
export class IncomingRequest implements HttpRequest {
  readonly method: string;
  readonly rawPath: string;
  readonly path: readonly string[];
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly remote: string;
  readonly secure: boolean;
  readonly log: RequestLog;
  private readonly message: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly queryText: string;
  private expects: boolean;
  private parsedQuery: URLSearchParams | undefined;
  private controller: AbortController | undefined;

  /** `expects`: the client waits for 100 Continue before it sends the body. Throws HttpError for what cannot be a request. */
  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    from: { readonly remote: string; readonly secure: boolean },
    log: RequestLog,
    expects: boolean,
  ) {
    const method = effectiveMethod(message);
    const { path, query } = splitTarget(message.url ?? "/", method);
    this.method = method;
    this.rawPath = path;
    this.path = decodePath(path);
    this.headers = message.headers as Readonly<Record<string, string | undefined>>;
    this.remote = from.remote;
    this.secure = from.secure;
    this.log = log;
    this.message = message;
    this.response = response;
    this.queryText = query;
    this.expects = expects;
    this.parsedQuery = undefined;
    this.controller = undefined;
  }

  get query(): URLSearchParams {
    if (this.queryText === "") return noQuery;
    this.parsedQuery ??= new URLSearchParams(this.queryText);
    return this.parsedQuery;
  }

  /** Whoever asks for the body gets it: only then is a waiting client told to send it (RFC 9110 §10.1.1), so that a refused
   *  upload never crosses the network. */
  get body(): Readable {
    if (this.expects) {
      this.expects = false;
      this.response.writeContinue();
    }
    return this.message;
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      const controller = new AbortController();
      this.controller = controller;
      if (this.response.destroyed) controller.abort();
      else
        this.response.once("close", () => {
          if (!this.response.writableFinished) controller.abort();
        });
    }
    return this.controller.signal;
  }
}
