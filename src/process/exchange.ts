import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { Logger } from "../base/log.ts";
import { type Body, type Handler, HttpError, type HttpResponse, type RequestLog } from "../http/message.ts";
import { accessLine } from "./access-line.ts";
import { IncomingRequest } from "./incoming.ts";

/** What a listener is told by the plist and by its worker. */
export interface ListenerSettings {
  /** The worker's number, for the access log. */
  readonly worker: number;
  /** The `Server` header. */
  readonly product: string;
  /** MaxRequests: open connections; a request on one more is answered with 503. */
  readonly maxConnections: number;
  /** HTTPRetryAfter: seconds. A refused client is told half to one and a half times this, so that they do not all return at once. */
  readonly retryAfter: number;
  /** IdleConnectionTimeOut: seconds. */
  readonly idleTimeout: number;
  /** EnableKeepAlive. */
  readonly keepAlive: boolean;
  /** EnableExtendedAccessLog. */
  readonly extendedLog: boolean;
  /** Seconds for a whole request header. Default 20. */
  readonly headerTimeout?: number;
  /** Seconds without a byte while a body or an answer is on its way. Default 60. */
  readonly stallTimeout?: number;
  /** Seconds for a whole request, body included. Default 300. */
  readonly requestTimeout?: number;
}

/** What is known of an open connection. */
export interface Connection {
  readonly remote: string;
  readonly secure: boolean;
  /** The request received last; undefined before the first. */
  newest: Exchange | undefined;
  /** Requests not answered yet. */
  pending: number;
  /** Beyond MaxRequests: its request is answered with 503. */
  readonly surplus: boolean;
  /** Status already written to the socket for a request that broke off (400, 408). */
  refused: number | undefined;
}

/** What an exchange needs of its listener. */
export interface Served {
  readonly handler: Handler;
  readonly settings: ListenerSettings;
  readonly accessLog: (line: string) => void;
  readonly log: Logger;
  outstanding: number;
  begun: number;
  readonly draining: boolean;
  linger(socket: Socket): void;
}

/** Header fields of a request; more are refused with 431. */
export const maxHeaderFields = 200;
/** Bytes of an unread request body that are worth reading only to keep the connection. */
const smallRest = 64 << 10;

/** One request and its answer. Writes the access log's line, once, before the last byte of the answer. */
export class Exchange {
  /** The head of the answer went out. */
  begun = false;
  private logged = false;
  private readonly served: Served;
  private readonly connection: Connection;
  private readonly message: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly expects: boolean;
  private readonly started: number;
  private readonly log: RequestLog;
  private method: string;
  private request: IncomingRequest | undefined;

  constructor(
    served: Served,
    connection: Connection,
    message: IncomingMessage,
    response: ServerResponse,
    expects: boolean,
  ) {
    this.started = performance.now();
    this.served = served;
    this.connection = connection;
    this.message = message;
    this.response = response;
    this.expects = expects;
    this.log = { user: "-", report: undefined, items: [] };
    this.method = message.method ?? "???";
    this.request = undefined;
  }

  /** The whole request arrived. */
  get received(): boolean {
    return this.message.complete;
  }

  start(): void {
    this.served.outstanding++;
    this.served.begun++;
    this.connection.pending++;
    this.connection.newest = this;
    this.answer().catch((error: unknown) => this.failed(error));
  }

  private answer(): Promise<void> {
    const { served, connection, message } = this;
    try {
      if (connection.surplus) throw this.overload();
      if (message.rawHeaders.length > maxHeaderFields * 2)
        throw new HttpError(431, `The request has more than ${maxHeaderFields} header fields`);
      this.request = new IncomingRequest(message, this.response, connection, this.log, this.expects);
      this.method = this.request.method;
      return served.handler(this.request).then(this.succeeded);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private overload(): HttpError {
    const seconds = Math.max(1, Math.round(this.served.settings.retryAfter * (0.5 + Math.random())));
    return new HttpError(503, "The server has no room for another connection", { "Retry-After": `${seconds}` });
  }

  private readonly succeeded = (answer: HttpResponse): void | Promise<void> => {
    if (this.response.destroyed || this.message.socket.destroyed) {
      discard(answer.body);
      this.done(this.connection.refused ?? answer.status, 0);
      return;
    }
    const { body } = answer;
    if (body === undefined || typeof body === "string" || body instanceof Uint8Array) return this.whole(answer, body);
    if (this.method === "HEAD" || answer.status === 204 || answer.status === 304) {
      discard(body);
      return this.whole(answer, undefined);
    }
    return this.stream(answer, body);
  };

  /** An answer whose body is at hand. */
  private whole(answer: HttpResponse, body: string | Uint8Array | undefined): void {
    const { response } = this;
    const { status } = answer;
    const bodiless = this.method === "HEAD" || status === 204 || status === 304;
    const length = body === undefined ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.length;
    this.head(answer, status === 204 || (bodiless && body === undefined) ? undefined : length);
    const sent = bodiless ? 0 : length;
    this.done(status, sent);
    if (sent > 0) response.end(body);
    else response.end();
  }

  /** An answer that is made while it is sent. Its first two chunks are awaited before the head: what fails until then still
   *  becomes an honest 500, and a body of one chunk gets a Content-Length and one write. */
  private async stream(answer: HttpResponse, body: AsyncIterable<string | Uint8Array>): Promise<void> {
    const { response } = this;
    const chunks = body[Symbol.asyncIterator]();
    const first = await chunks.next();
    if (first.done === true) return this.whole(answer, undefined);
    let next = await chunks.next();
    if (next.done === true && !hasLength(answer)) return this.whole(answer, first.value);
    if (response.destroyed) {
      await chunks.return?.();
      return this.done(this.connection.refused ?? answer.status, 0);
    }
    this.head(answer, undefined);
    let chunk = first.value;
    let bytes = 0;
    for (;;) {
      bytes += typeof chunk === "string" ? Buffer.byteLength(chunk) : chunk.length;
      if (next.done === true) break;
      if (!response.write(chunk)) await drained(response);
      if (response.destroyed) {
        await chunks.return?.();
        return this.done(answer.status, bytes);
      }
      chunk = next.value;
      next = await chunks.next();
    }
    this.done(answer.status, bytes);
    response.end(chunk);
  }

  /** Writes status and headers. `length`: of the body, for Content-Length, unless the answer has one. */
  private head(answer: HttpResponse, length: number | undefined): void {
    const { response, served } = this;
    const list: string[] = ["Server", served.settings.product];
    let lengthGiven = false;
    const { headers } = answer;
    if (headers !== undefined)
      for (const name in headers) {
        const value = headers[name];
        if (typeof value === "string") list.push(name, value);
        else if (value !== undefined) for (const one of value) list.push(name, one);
        if (name.length === 14 && name.toLowerCase() === "content-length") lengthGiven = true;
      }
    if (length !== undefined && !lengthGiven) list.push("Content-Length", `${length}`);
    const unread = !this.message.complete && !this.settleBody();
    // A connection closed behind an answer that is not its last would take the others with it (pipelining).
    const last = this.connection.newest === this;
    if (unread || (last && (served.draining || !served.settings.keepAlive || this.connection.surplus)))
      this.closeAfterwards();
    response.writeHead(answer.status, list);
    this.begun = true;
  }

  /** Deals with a body that has not arrived as a whole: a small rest is read and dropped. False: the connection must end. */
  private settleBody(): boolean {
    const { message } = this;
    const length = Number(message.headers["content-length"] ?? Number.NaN);
    if (this.expects && !this.response.writableEnded) return false;
    if (!(length <= smallRest)) return false;
    message.resume();
    return true;
  }

  /** Ends the connection behind this answer. node:http would destroy the socket as soon as the answer is written, and bytes of
   *  the client that are still unread then reset the connection, which can overtake the answer. The method it calls for that
   *  is a public one: here it ends our side and reads on for a while. */
  private closeAfterwards(): void {
    const { message, response, served } = this;
    const { socket } = message;
    response.shouldKeepAlive = false;
    socket.destroySoon = () => {
      socket.end();
      message.resume();
      served.linger(socket);
    };
  }

  private failed(error: unknown): void {
    const { response, served, message } = this;
    if (message.destroyed && !message.complete) {
      // The client went away in the midst of its request, or was refused; nobody is there to be answered.
      served.log.debug("a request broke off", { method: this.method, target: message.url, cause: error });
      this.done(this.connection.refused ?? 400, 0);
      return;
    }
    if (this.begun) {
      // The status is out and cannot be taken back: a broken connection is the only honest end.
      served.log.error("an answer failed after it had begun", { method: this.method, target: message.url, error });
      this.done(500, 0);
      response.destroy();
      return;
    }
    if (!(error instanceof HttpError))
      served.log.error("a request failed", { method: this.method, target: message.url, user: this.log.user, error });
    if (response.destroyed) {
      this.done(error instanceof HttpError ? error.status : 500, 0);
      return;
    }
    // Headers that node:http refused leave the phrase of their status behind.
    response.statusMessage = "";
    const [status, text, headers] =
      error instanceof HttpError
        ? ([error.status, error.message, error.headers] as const)
        : ([500, "The server could not answer this request; the reason is in its error log", undefined] as const);
    this.whole(
      { status, headers: { ...headers, "Content-Type": "text/plain; charset=utf-8" }, body: `${text}\n` },
      `${text}\n`,
    );
  }

  /** The exchange is over as far as counting goes; its line goes to the access log. */
  private done(status: number, bytes: number): void {
    if (this.logged) return;
    this.logged = true;
    const { served, message } = this;
    const { headers } = message;
    const entry = {
      remote: this.connection.remote,
      log: this.log,
      method: this.method,
      target: message.url ?? "",
      version: message.httpVersion,
      status,
      bytes,
      referer: headers.referer,
      agent: headers["user-agent"],
      milliseconds: performance.now() - this.started,
      outstanding: served.outstanding,
    };
    served.accessLog(accessLine(entry, served.settings.worker, served.settings.extendedLog));
    served.outstanding--;
    this.connection.pending--;
  }
}

const hasLength = ({ headers }: HttpResponse): boolean => {
  for (const name in headers) if (name.length === 14 && name.toLowerCase() === "content-length") return true;
  return false;
};

/** Closes a body nobody will read: an open file behind it must not stay open. */
const discard = (body: Body | undefined): void => {
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) return;
  // A stream's iterator that has not begun would leave the stream open.
  if (body instanceof Readable) body.destroy();
  else
    void body[Symbol.asyncIterator]()
      .return?.()
      ?.catch(() => {});
};

/** Resolves when more may be written, or when nobody reads any more. */
const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.removeListener("drain", done);
      response.removeListener("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
    if (response.destroyed) done();
  });
