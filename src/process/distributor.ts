import { createServer, type Server, type Socket } from "node:net";
import type { Logger } from "../base/log.ts";
import { choose, type Scheduler, type Taker } from "./schedule.ts";
import type { ListenAddress } from "./settings.ts";

/** A worker, as the distributor sees it. */
export interface ConnectionTaker extends Taker {
  lastTurn: number;
  /** `secure`: TLS is to be spoken on it. */
  take(socket: Socket, secure: boolean): void;
}

/** Connections held back while no worker is there; more are closed at once. */
const maxWaiting = 5_000;

/** A connection nobody has read from. */
export interface Unread {
  readonly socket: Socket;
  readonly secure: boolean;
}

interface Listening {
  readonly server: Server;
  readonly address: ListenAddress;
}

const keyOf = ({ host, port, secure }: ListenAddress): string => `${host ?? ""} ${port} ${secure === true}`;

/** Holds the listening sockets, in the master, and gives each connection to a worker, unread. Connections are neither refused
 *  nor lost while workers die and are replaced: those that come when none is there wait, and one that was on its way to a
 *  worker that died goes to another.
 *  Not node:cluster's own round robin: measured, it leaves a connection that was being handed to a killed worker open and
 *  unanswered for ever, closes its listening socket when the last worker dies, and cannot count connections; and not the
 *  kernel's choice (SCHED_NONE), which gave one of two workers four fifths of 8 keep-alive connections. */
export class Distributor {
  scheduler: Scheduler;
  private readonly log: Logger;
  private readonly takers = new Set<ConnectionTaker>();
  private readonly waiting: Unread[] = [];
  private listening = new Map<string, Listening>();
  private turns = 0;
  private closed = false;

  constructor(scheduler: Scheduler, log: Logger) {
    this.scheduler = scheduler;
    this.log = log;
  }

  /** Listens on exactly these addresses: on new ones first, then no more on those that are gone. Resolves with them, a port 0
   *  replaced by the one found. Rejects with the system's error, and then nothing has changed. */
  async listen(addresses: readonly ListenAddress[], backlog: number): Promise<readonly ListenAddress[]> {
    const next = new Map<string, Listening>();
    try {
      for (const address of addresses)
        next.set(keyOf(address), this.listening.get(keyOf(address)) ?? (await this.open(address, backlog)));
    } catch (error) {
      for (const [key, { server }] of next) if (!this.listening.has(key)) server.close();
      throw error;
    }
    for (const [key, { server }] of this.listening) if (!next.has(key)) server.close();
    this.listening = next;
    return [...next.values()].map(({ address }) => address);
  }

  /** From now on this worker gets connections. */
  admit(taker: ConnectionTaker): void {
    this.takers.add(taker);
    for (const { socket, secure } of this.waiting.splice(0)) this.offer(socket, secure);
  }

  /** From now on it gets none. */
  dismiss(taker: ConnectionTaker): void {
    this.takers.delete(taker);
  }

  /** Gives a connection to a worker, or keeps it until there is one. */
  readonly offer = (socket: Socket, secure: boolean): void => {
    if (socket.destroyed) return;
    const taker = choose(this.takers, this.scheduler);
    if (taker !== undefined) {
      taker.lastTurn = ++this.turns;
      taker.take(socket, secure);
    } else if (this.closed || this.waiting.length >= maxWaiting) socket.destroy();
    else this.waiting.push({ socket, secure });
  };

  /** Accepts no more. */
  close(): void {
    this.closed = true;
    for (const { server } of this.listening.values()) server.close();
    this.listening.clear();
    for (const { socket } of this.waiting.splice(0)) socket.destroy();
  }

  private open(address: ListenAddress, backlog: number): Promise<Listening> {
    const { host, port, secure = false } = address;
    // pauseOnConnect: not one byte is read here.
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
      socket.on("error", () => {});
      this.offer(socket, secure);
    });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, backlog }, () => {
        server.removeListener("error", reject);
        server.on("error", (error) => this.log.error("a listening socket failed", { host, port, error }));
        const bound = server.address();
        const real = typeof bound === "object" && bound !== null ? bound.port : port;
        resolve({ server, address: { ...address, port: real } });
      });
    });
  }
}
