import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { Server as NetServer, type Socket } from "node:net";
import type { Logger } from "../base/log.ts";
import type { Handler } from "../http/message.ts";
import { refusedLine } from "./access-line.ts";
import { type Connection, Exchange, type ListenerSettings, maxHeaderFields, type Served } from "./exchange.ts";
import { tlsOptions } from "./tls.ts";
import type { TlsMaterial } from "./tls-files.ts";

/** Bytes of a request's header: Kerberos tickets of Active Directory pass 16 KB, Node's default. */
const maxHeaderBytes = 64 << 10;
/** A connection that was told 503 or 431 still sends; so long are its bytes read and dropped before it is cut off. */
const lingerTime = 2_000;

/** How connections end while draining. `close`: idle ones at once, for a server that stops. `linger`: the next request on each
 *  is still answered, with `Connection: close`, and idle ones live until their idle timeout: no client sees an error. */
export type DrainMode = "close" | "linger";

const plainAddress = (address: string | undefined): string =>
  address === undefined ? "-" : address.startsWith("::ffff:") ? address.slice(7) : address;

/** What a connection and the TLS on top of it have in common. */
const endsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

/** A server that listens nowhere. */
const adopting = (server: Server): Server => {
  // With this event, node:http begins to watch over the time that headers and requests take.
  server.emit("listening");
  return server;
};

/** node:http on one side, a Handler on the other. Several addresses may be listened on. */
export class Listener implements Served {
  readonly handler: Handler;
  readonly settings: ListenerSettings;
  readonly accessLog: (line: string) => void;
  readonly log: Logger;
  /** Requests under way. */
  outstanding = 0;
  /** Requests begun since the start. */
  begun = 0;
  draining = false;
  private readonly connections = new Map<Socket, Connection>();
  /** Connections on which TLS is not agreed upon yet. */
  private readonly shaking = new Map<string, Socket>();
  private readonly servers: Server[] = [];
  private readonly tls: TlsMaterial | undefined;
  private adopter: Server | undefined;
  private secureAdopter: Server | undefined;
  private emptied: (() => void) | undefined;

  /** `accessLog` is called once for each request, before the last byte of its answer leaves. */
  constructor(
    handler: Handler,
    settings: ListenerSettings,
    accessLog: (line: string) => void,
    log: Logger,
    tls?: TlsMaterial | undefined,
  ) {
    this.handler = handler;
    this.settings = settings;
    this.accessLog = accessLog;
    this.log = log;
    this.tls = tls;
    this.adopter = undefined;
    this.secureAdopter = undefined;
    this.emptied = undefined;
  }

  /** Open connections. */
  get open(): number {
    return this.connections.size;
  }

  /** Listens on `host` (undefined: all addresses) and `port` (0: any free one); resolves with the port. Rejects with the system's
   *  error. `secure`: speaks TLS there. */
  listen(port: number, host: string | undefined, backlog: number, secure = false): Promise<number> {
    const server = secure ? this.createSecureServer() : this.createServer();
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, host, backlog }, () => {
        server.removeListener("error", reject);
        server.on("error", (error) => this.log.error("a listening socket failed", { error }));
        this.servers.push(server);
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  /** Takes over a connection that another process accepted. */
  adopt(socket: Socket, secure = false): void {
    // As sockets of a listening node:http server are: a client may end its side before it has read the answer.
    socket.allowHalfOpen = true;
    if (secure) {
      // While TLS is being switched on, workers from before get some of its connections.
      if (this.tls === undefined) {
        socket.destroy();
        return;
      }
      this.secureAdopter ??= adopting(this.createSecureServer());
      this.secureAdopter.emit("connection", socket);
      return;
    }
    this.adopter ??= adopting(this.createServer());
    this.adopter.emit("connection", socket);
    socket.resume();
  }

  /** Accepts no more connections and resolves when all open ones have ended, or after `patience` seconds have cut them off. */
  async drain(mode: DrainMode, patience: number): Promise<void> {
    this.draining = true;
    for (const server of this.servers) {
      // Server.prototype.close of node:http would reset idle keep-alive connections, also those on which a request is just
      // arriving: a rolling restart would fail requests. The method of node:net only stops listening.
      if (mode === "linger") NetServer.prototype.close.call(server);
      else server.close();
    }
    if (mode === "close") {
      this.adopter?.closeIdleConnections();
      this.secureAdopter?.closeIdleConnections();
      for (const socket of this.shaking.values()) socket.destroy();
      for (const [socket, connection] of this.connections)
        if (connection.pending === 0 && socket.bytesRead === 0) socket.destroy();
    }
    if (this.connections.size + this.shaking.size === 0) return;
    const cut = setTimeout(() => {
      if (this.outstanding > 0)
        this.log.warn("requests were cut off at the end of the drain", { requests: this.outstanding });
      for (const socket of [...this.connections.keys(), ...this.shaking.values()]) socket.destroy();
    }, patience * 1000);
    await new Promise<void>((resolve) => {
      this.emptied = resolve;
    });
    clearTimeout(cut);
  }

  private createServer(): Server {
    const server = createServer(this.limits());
    server.on("connection", (socket: Socket) => this.connected(socket, false));
    return this.furnished(server);
  }

  private createSecureServer(): Server {
    if (this.tls === undefined) throw new Error("TLS is asked for, but there is no certificate");
    const server = createSecureServer({ ...this.limits(), ...tlsOptions(this.tls) });
    server.on("connection", (socket: Socket) => this.shake(socket));
    server.on("secureConnection", (socket) => {
      this.shaking.delete(endsOf(socket));
      this.connected(socket, true);
    });
    server.on("tlsClientError", (error, socket) => {
      this.log.debug("a client could not agree on TLS", { remote: plainAddress(socket.remoteAddress), error });
      socket.destroy();
    });
    return this.furnished(server);
  }

  private limits(): ServerOptions {
    const { settings } = this;
    const headerTimeout = (settings.headerTimeout ?? 20) * 1000;
    return {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headerTimeout,
      requestTimeout: Math.max((settings.requestTimeout ?? 300) * 1000, headerTimeout),
      connectionsCheckingInterval: Math.min(5_000, headerTimeout / 4),
      keepAliveTimeout: settings.idleTimeout * 1000,
      noDelay: true,
    };
  }

  private furnished<S extends Server>(server: S): S {
    const { settings } = this;
    server.on("request", (message, response) => this.receive(message, response, false));
    // One more than allowed, so that surplus fields are seen instead of dropped without a word.
    server.maxHeadersCount = maxHeaderFields + 1;
    server.setTimeout((settings.stallTimeout ?? 60) * 1000, (socket) => this.stalled(socket));
    server.on("checkContinue", (message, response) => this.receive(message, response, true));
    server.on("connect", (_message, socket) => {
      socket.end("HTTP/1.1 405 Method Not Allowed\r\nAllow: OPTIONS\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    server.on("clientError", (error, socket) => this.broken(error, socket as Socket));
    return server;
  }

  /** A client begins to speak TLS; node:tls ends those that take too long. */
  private shake(socket: Socket): void {
    if (this.full()) {
      this.logRefused(plainAddress(socket.remoteAddress), 503);
      socket.destroy();
      return;
    }
    const ends = endsOf(socket);
    this.shaking.set(ends, socket);
    socket.once("close", () => {
      if (this.shaking.get(ends) === socket) this.shaking.delete(ends);
      this.left();
    });
  }

  /** Surplus connections are few and short; far too many of them are not even read. */
  private full(): boolean {
    return this.connections.size + this.shaking.size >= this.settings.maxConnections * 2 + 100;
  }

  private left(): void {
    if (this.connections.size + this.shaking.size === 0) this.emptied?.();
  }

  private connected(socket: Socket, secure: boolean): void {
    const connection: Connection = {
      remote: plainAddress(socket.remoteAddress),
      secure,
      newest: undefined,
      pending: 0,
      surplus: this.connections.size >= this.settings.maxConnections,
      refused: undefined,
    };
    if (!secure && this.full()) {
      this.logRefused(connection.remote, 503);
      socket.destroy();
      return;
    }
    this.connections.set(socket, connection);
    socket.once("close", () => {
      this.connections.delete(socket);
      this.left();
    });
  }

  private receive(message: IncomingMessage, response: ServerResponse, expects: boolean): void {
    const connection = this.connections.get(message.socket);
    if (connection === undefined) {
      // Destroyed between its acceptance and this request.
      response.destroy();
      return;
    }
    new Exchange(this, connection, message, response, expects).start();
  }

  /** No byte came or went for a while on `socket`. */
  private stalled(socket: Socket): void {
    const connection = this.connections.get(socket);
    const waitsForHandler =
      connection !== undefined &&
      connection.pending > 0 &&
      socket.writableLength === 0 &&
      connection.newest?.received === true;
    if (waitsForHandler) socket.setTimeout((this.settings.stallTimeout ?? 60) * 1000);
    else socket.destroy();
  }

  /** Bytes that are no HTTP, a header too large, a request that took too long, or a connection reset. */
  private broken(error: Error & { code?: string }, socket: Socket): void {
    const connection = this.connections.get(socket);
    if (connection === undefined || connection.refused !== undefined) return;
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, reason, sentence] =
      error.code === "HPE_HEADER_OVERFLOW"
        ? ([
            431,
            "Request Header Fields Too Large",
            `The request header is larger than ${maxHeaderBytes} bytes`,
          ] as const)
        : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
          ? ([408, "Request Timeout", "The request was not complete in time"] as const)
          : ([400, "Bad Request", "The request is not HTTP as this server reads it"] as const);
    connection.refused = status;
    // An answer under way must not be followed by another one in the midst of it: the line is cut, and its log line tells.
    if (connection.newest?.begun === true) {
      socket.destroy();
      return;
    }
    if (connection.pending === 0) this.logRefused(connection.remote, status);
    const body = `${sentence}.\n`;
    socket.end(
      `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    this.linger(socket);
  }

  /** Reads and drops what still comes, so that the client gets to read its answer: closing a socket with unread bytes resets
   *  the connection, and the reset overtakes the answer. */
  linger(socket: Socket): void {
    const cut = setTimeout(() => socket.destroy(), lingerTime);
    socket.once("close", () => clearTimeout(cut));
    socket.once("end", () => socket.destroy());
    socket.resume();
  }

  private logRefused(remote: string, status: number): void {
    const { worker, extendedLog } = this.settings;
    this.accessLog(refusedLine(remote, status, worker, this.outstanding, extendedLog));
  }
}
