import type { Readable } from "node:stream";

/** A request as the rest of the server sees it: no sockets, no globals. Made by `process/listener.ts` or by a test. */
export interface HttpRequest {
  readonly method: string;
  /** The request target's path as the client wrote it, percent-encoded, without the query. Hrefs in answers follow its form. */
  readonly rawPath: string;
  /** Decoded segments of the path, no empty ones; ".", ".." and NUL are refused before this exists. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Readable;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** The client's address. */
  readonly remote: string;
  readonly secure: boolean;
  /** Filled while the request is answered; the access log line is written from it. */
  readonly log: RequestLog;
}

/** What the access log says of a request beyond the HTTP facts. Mutable on purpose: one per request, one writer. */
export interface RequestLog {
  /** `-`, a short name, or `"authn as authz"`. */
  user: string;
  /** REPORT's name in the form `CalDAV:calendar-query`, put behind the method. */
  report: string | undefined;
  /** Extra `key=value` items in order, such as responses=12 or rcount=50. */
  readonly items: string[];
}

export type Body = string | Uint8Array | AsyncIterable<string | Uint8Array>;

export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Body;
}

export type Handler = (request: HttpRequest) => Promise<HttpResponse>;

/** A "no" of the protocol itself: 400, 401, 404, 405, 409, 412, 413, 415, 501, 503 …, with a sentence for a person. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  constructor(status: number, message: string, headers: Readonly<Record<string, string | readonly string[]>> = {}) {
    super(message);
    this.name = "HttpError";
    this.status = status;
    this.headers = headers;
  }
}
