import type { Entry, SearchOptions } from "ldapts";
import { DirectoryUnavailable } from "../unavailable.ts";
import { isBusyCode, type LdapServers, type Link, messageOf, resultCodeOf, within } from "./servers.ts";

export interface PoolSettings {
  /** Who searches; an empty name searches anonymously. */
  readonly bindDn: string;
  readonly bindPassword: () => Promise<string>;
  /** The most connections for searching, and again as many for listing. */
  readonly connections: number;
  /** Milliseconds for each answer. */
  readonly timeout: number;
  /** Entries asked for at once in a listing. */
  readonly pageSize: number;
  readonly warn: (message: string) => void;
}

/** Searches in flight before a second connection is opened, and altogether. */
const busyAt = 16;
const mostInFlight = 2000;
/** Listings that wait for a connection. */
const mostWaiting = 200;

interface Connection extends Link {
  inFlight: number;
  /** A server holds one paged search per connection (OpenLDAP keeps its cookie there). */
  paging: boolean;
}

export interface Search extends Omit<SearchOptions, "paged" | "sizeLimit"> {
  readonly base: string;
}

/** Connections for searching: pipelined, opened when needed, replaced when lost. Every search ends within about two time-outs,
 *  with entries or an error. */
export class SearchPool {
  readonly #servers: LdapServers;
  readonly #settings: PoolSettings;
  #connections: Connection[] = [];
  #opening: Promise<Connection> | undefined;
  readonly #waiting: (() => void)[] = [];
  #listings = 0;
  #closed = false;

  constructor(servers: LdapServers, settings: PoolSettings) {
    this.#servers = servers;
    this.#settings = settings;
    servers.probeWith(async (link) => {
      const connection = await this.#signedIn(link);
      servers.works(link.server);
      this.#add(connection);
      // Back to the preferred server: connections to later ones end when nothing is asked on them.
      for (const other of this.#connections) if (other.server.rank > link.server.rank) this.#retire(other);
    });
  }

  /** Everything the search finds; for what is bounded by nature (one record, the groups of one member). */
  search({ base, ...options }: Search): Promise<readonly Entry[]> {
    return this.#run((connection) => connection.client.search(base, options)).then(
      ({ searchEntries }) => searchEntries,
    );
  }

  /** What the search finds, a page at a time; the server is asked for the next one when it is wanted. */
  async *pages({ base, ...options }: Search): AsyncGenerator<readonly Entry[]> {
    await this.#turn();
    let connection: Connection | undefined;
    try {
      for (let attempt = 0; ; attempt++) {
        connection = await this.#forPaging();
        let begun = false;
        try {
          const pages = connection.client.searchPaginated(base, {
            ...options,
            paged: { pageSize: this.#settings.pageSize },
          });
          for await (const { searchEntries } of pages) {
            begun = true;
            yield searchEntries;
          }
          return;
        } catch (error) {
          const code = resultCodeOf(error);
          if (code === undefined || isBusyCode(code)) this.#lost(connection, error);
          if (begun || attempt > 0 || (code !== undefined && !isBusyCode(code))) throw this.#asUnavailable(error, code);
        } finally {
          connection.paging = false;
          this.#done(connection);
        }
      }
    } finally {
      this.#listings--;
      this.#waiting.shift()?.();
    }
  }

  async #run<T>(ask: (connection: Connection) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const connection = await this.#connection();
      connection.inFlight++;
      try {
        return await ask(connection);
      } catch (error) {
        const code = resultCodeOf(error);
        // 32, noSuchObject, has a meaning for whoever asked.
        if (code === 32) throw error;
        if (code === undefined || isBusyCode(code)) this.#lost(connection, error);
        if (attempt > 0 || (code !== undefined && !isBusyCode(code))) throw this.#asUnavailable(error, code);
      } finally {
        this.#done(connection);
      }
    }
  }

  /** One question less. A connection that was retired meanwhile ends with the last. */
  #done(connection: Connection): void {
    connection.inFlight--;
    if (connection.inFlight === 0 && !this.#connections.includes(connection)) connection.end();
  }

  #asUnavailable(error: unknown, code: number | undefined): Error {
    if (code === 32) return error instanceof Error ? error : new Error(String(error));
    if (error instanceof DirectoryUnavailable) return error;
    // The server said no; that is the administrator's business, and no reason to believe that somebody does not exist.
    if (code !== undefined) this.#settings.warn(`the directory server refused a search: ${messageOf(error)}`);
    return this.#servers.unavailable("the directory server does not answer");
  }

  /** One connection less. When it was the time-out, or the server says that it is busy, the server is left alone for a while;
   *  a connection that was merely closed is opened again first. */
  #lost(connection: Connection, error: unknown): void {
    if (/timed out|timeout/i.test(messageOf(error)) || resultCodeOf(error) !== undefined)
      this.#servers.failed(connection.server, error);
    this.#connections = this.#connections.filter((other) => other !== connection);
    connection.end();
  }

  async #connection(): Promise<Connection> {
    if (this.#closed) throw new DirectoryUnavailable("the server is stopping");
    let best: Connection | undefined;
    let inFlight = 0;
    let searching = 0;
    if (this.#connections.some(({ alive }) => !alive))
      this.#connections = this.#connections.filter(({ alive }) => alive);
    for (const connection of this.#connections) {
      inFlight += connection.inFlight;
      if (connection.paging || connection.server.down) continue;
      searching++;
      if (best === undefined || connection.inFlight < best.inFlight) best = connection;
    }
    if (inFlight >= mostInFlight) throw new DirectoryUnavailable("the directory is asked too much at once", 2);
    if (best !== undefined && (best.inFlight < busyAt || searching >= this.#settings.connections)) return best;
    if (best !== undefined) {
      // Busy: this one goes on the way it has, and another is opened for the next.
      this.#open().catch(() => {});
      return best;
    }
    return this.#open();
  }

  async #forPaging(): Promise<Connection> {
    const free = this.#connections.find(
      ({ alive, paging, inFlight, server }) => alive && !paging && inFlight === 0 && !server.down,
    );
    const connection = free ?? (await this.#openOne());
    connection.paging = true;
    connection.inFlight++;
    return connection;
  }

  /** Waits for one's turn to list. */
  async #turn(): Promise<void> {
    if (this.#listings >= this.#settings.connections) {
      if (this.#waiting.length >= mostWaiting)
        throw new DirectoryUnavailable("the directory is listed too much at once", 2);
      await new Promise<void>((resolve, reject) => {
        const go = (): void => {
          clearTimeout(late);
          resolve();
        };
        const late = setTimeout(() => {
          const at = this.#waiting.indexOf(go);
          if (at >= 0) this.#waiting.splice(at, 1);
          reject(new DirectoryUnavailable("the directory is listed too much at once", 2));
        }, this.#settings.timeout * 2);
        this.#waiting.push(go);
      });
    }
    this.#listings++;
  }

  #open(): Promise<Connection> {
    this.#opening ??= this.#openOne().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openOne(): Promise<Connection> {
    for (const server of this.#servers.candidates()) {
      let link: Link | undefined;
      try {
        link = await this.#servers.connect(server);
        const connection = await this.#signedIn(link);
        this.#servers.works(server);
        this.#add(connection);
        return connection;
      } catch (error) {
        link?.end();
        this.#servers.failed(server, error);
      }
    }
    throw this.#servers.unavailable("no directory server answers");
  }

  async #signedIn(link: Link): Promise<Connection> {
    const { bindDn, bindPassword, timeout } = this.#settings;
    const password = bindDn === "" ? "" : await bindPassword();
    if (bindDn !== "" && password === "") throw new Error(`there is no password for ${bindDn}`);
    await within(timeout * 2, link.client.bind(bindDn, password), "signing in timed out");
    return Object.assign(link, { inFlight: 0, paging: false });
  }

  #add(connection: Connection): void {
    if (this.#closed) connection.end();
    else this.#connections.push(connection);
  }

  #retire(connection: Connection): void {
    this.#connections = this.#connections.filter((other) => other !== connection);
    if (connection.inFlight === 0) connection.end();
  }

  /** Ends all connections; who still waits is told so. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#connections) connection.end();
    this.#connections = [];
  }
}
