import { connect, createServer, type Server, type Socket } from "node:net";
import type { Logger } from "../base/log.ts";
import { choose, type Scheduler } from "./schedule.ts";

/** A server behind the balancer. */
export interface Backend {
  readonly host: string;
  readonly port: number;
}

interface Host extends Backend {
  open: number;
  lastTurn: number;
  good: boolean;
  timer: NodeJS.Timeout | undefined;
}

const overloaded =
  "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 29\r\nConnection: close\r\n\r\nNo calendar server answers.\r\n";

/** Copies bytes between clients and servers on other hosts; knows no HTTP but the 503 it gives when no server answers. A
 *  server that refuses a connection leaves the choice until a look at it, every `checkInterval` milliseconds, succeeds; the
 *  client that met it is passed on to the next. */
export class Balancer {
  private readonly hosts: Host[];
  private readonly scheduler: Scheduler;
  private readonly log: Logger;
  private readonly checkInterval: number;
  private readonly connectTimeout: number;
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();
  private turns = 0;
  private stopped = false;

  constructor(
    backends: readonly Backend[],
    options: {
      readonly scheduler: Scheduler;
      readonly log: Logger;
      /** Default 2000. */
      readonly checkInterval?: number;
      /** Milliseconds until a server that says nothing counts as refusing. Default 3000. */
      readonly connectTimeout?: number;
    },
  ) {
    this.hosts = backends.map(({ host, port }) => ({ host, port, open: 0, lastTurn: 0, good: true, timer: undefined }));
    this.scheduler = options.scheduler;
    this.log = options.log;
    this.checkInterval = options.checkInterval ?? 2_000;
    this.connectTimeout = options.connectTimeout ?? 3_000;
  }

  /** Accepts connections; resolves with the port. */
  listen(port: number, host: string | undefined, backlog: number): Promise<number> {
    // Half-open: a client may end its side and still wait for the answer.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.accept(client));
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, host, backlog }, () => {
        this.servers.push(server);
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  /** Accepts no more, and resolves when all connections have ended, or after `patience` seconds have cut them off. */
  async drain(patience: number): Promise<void> {
    this.stopped = true;
    for (const host of this.hosts) clearTimeout(host.timer);
    const cut = setTimeout(() => {
      for (const socket of this.sockets) socket.destroy();
    }, patience * 1000);
    await Promise.all(this.servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
    clearTimeout(cut);
  }

  private accept(client: Socket): void {
    this.track(client);
    // Until a server is found, what the client sends waits in its socket.
    client.pause();
    this.forward(client, new Set());
  }

  private track(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.sockets.delete(socket));
  }

  /** Connects the client to the best host not in `tried`. */
  private forward(client: Socket, tried: Set<Host>): void {
    const host = this.best(tried);
    if (host === undefined) {
      client.end(overloaded);
      client.resume();
      return;
    }
    tried.add(host);
    host.open++;
    host.lastTurn = ++this.turns;
    const server = connect({ host: host.host, port: host.port, noDelay: true, allowHalfOpen: true });
    this.track(server);
    let through = false;
    const late = setTimeout(() => server.destroy(new Error("no answer in time")), this.connectTimeout);
    server.once("connect", () => {
      through = true;
      clearTimeout(late);
      client.pipe(server);
      server.pipe(client);
    });
    server.once("error", (error) => {
      if (!through) this.markBad(host, error);
    });
    server.once("close", () => {
      clearTimeout(late);
      host.open--;
      if (through) client.destroySoon();
      else if (!client.destroyed) this.forward(client, tried);
    });
    client.once("close", () => {
      if (through) server.destroySoon();
    });
  }

  private best(tried: ReadonlySet<Host>): Host | undefined {
    const free = (host: Host): boolean => !tried.has(host);
    const good = this.hosts.filter((host) => host.good && free(host));
    // With none known to be good, the bad ones are worth a try: they may just have come back.
    const candidates = good.length > 0 ? good : this.hosts.filter(free);
    return choose(candidates, this.scheduler);
  }

  private markBad(host: Host, error: Error): void {
    if (host.good)
      this.log.warn("a server does not answer", { host: host.host, port: host.port, error: error.message });
    host.good = false;
    if (this.stopped) return;
    clearTimeout(host.timer);
    host.timer = setTimeout(() => this.check(host), this.checkInterval);
  }

  private check(host: Host): void {
    const probe = connect({ host: host.host, port: host.port });
    probe.setTimeout(this.connectTimeout, () => probe.destroy(new Error("no answer in time")));
    probe.once("connect", () => {
      probe.destroy();
      if (!host.good) this.log.warn("a server answers again", { host: host.host, port: host.port });
      host.good = true;
    });
    probe.once("error", (error) => this.markBad(host, error));
  }
}
