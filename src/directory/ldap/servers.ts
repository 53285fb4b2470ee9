import { readFile } from "node:fs/promises";
import { connect as connectNet, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { Client } from "ldapts";
import { DirectoryUnavailable } from "../unavailable.ts";

export type Ldapts = typeof import("ldapts");

export interface ServerSettings {
  /** ldap:// and ldaps:// addresses; the first that works is used. */
  readonly servers: readonly string[];
  readonly startTls: boolean;
  /** A PEM file of the authorities that are believed; empty: those Node knows. Read for each connection, so that a new one is
   *  seen without a restart. */
  readonly caFile: string;
  readonly verifyCertificate: boolean;
  /** Milliseconds for connecting, and for each answer. */
  readonly timeout: number;
  readonly warn: (message: string) => void;
  /** A server that could not be used can be used again. */
  readonly recovered: () => void;
}

/** A connection, possibly lost already. */
export interface Link {
  readonly client: Client;
  readonly server: LdapServer;
  /** False once the socket has gone or was given up. ldapts would connect again by itself, without signing in. */
  readonly alive: boolean;
  end(): void;
}

/** Back-off after the first failure and at most; each failure doubles it. Milliseconds. */
const firstPause = 500;
const longestPause = 5_000;

/** One server: whether it works, and since when not. */
export class LdapServer {
  readonly url: string;
  /** Place in the list: the lower, the rather. */
  readonly rank: number;
  #failures = 0;
  #retryAt = 0;

  constructor(url: string, rank: number) {
    this.url = url;
    this.rank = rank;
  }

  get down(): boolean {
    return this.#failures > 0;
  }

  /** Milliseconds until it is tried again. */
  get pause(): number {
    return Math.max(0, this.#retryAt - Date.now());
  }

  /** Answers whether that is news. */
  failed(): boolean {
    this.#failures++;
    const pause = Math.min(longestPause, firstPause * 2 ** Math.min(this.#failures - 1, 10));
    // Not all workers at the same moment.
    this.#retryAt = Date.now() + pause * (0.75 + Math.random() / 2);
    return this.#failures === 1;
  }

  /** Answers whether that is news. */
  works(): boolean {
    const news = this.#failures > 0;
    this.#failures = 0;
    return news;
  }
}

/** The servers of one directory. A server that fails is left alone for a while and then tried behind the scenes: requests wait
 *  for a hung server at most once, when it begins to hang. */
export class LdapServers {
  readonly list: readonly LdapServer[];
  readonly #ldap: Ldapts;
  readonly #settings: ServerSettings;
  readonly #timers = new Map<LdapServer, NodeJS.Timeout>();
  /** Signs in on a connection opened for trying a server, and is given it when that went well. */
  #probe: ((link: Link) => Promise<void>) | undefined;
  #closed = false;

  constructor(ldap: Ldapts, settings: ServerSettings) {
    this.#ldap = ldap;
    this.#settings = settings;
    this.list = settings.servers.map((url, rank) => new LdapServer(url, rank));
  }

  probeWith(probe: (link: Link) => Promise<void>): void {
    this.#probe = probe;
  }

  /** Those that are not known to be down, the preferred first. Throws DirectoryUnavailable when there is none. */
  candidates(): readonly LdapServer[] {
    const up = this.list.filter((server) => !server.down);
    if (up.length > 0) return up;
    throw this.unavailable("no directory server answers");
  }

  unavailable(message: string): DirectoryUnavailable {
    return new DirectoryUnavailable(message, Math.min(...this.list.map(({ pause }) => pause)) / 1000);
  }

  /** Notes that the server cannot be used, says so once, and tries it again later. */
  failed(server: LdapServer, error: unknown): void {
    if (this.#closed) return;
    if (server.failed()) this.#settings.warn(`${server.url}: the directory server cannot be used: ${messageOf(error)}`);
    if (this.#timers.has(server)) return;
    const timer = setTimeout(() => void this.#try(server), server.pause);
    timer.unref();
    this.#timers.set(server, timer);
  }

  works(server: LdapServer): void {
    if (!server.works()) return;
    this.#settings.warn(`${server.url}: the directory server works again`);
    this.#settings.recovered();
  }

  async #try(server: LdapServer): Promise<void> {
    this.#timers.delete(server);
    if (this.#closed || this.#probe === undefined) return;
    let link: Link | undefined;
    try {
      link = await this.connect(server);
      await this.#probe(link);
    } catch (error) {
      link?.end();
      this.failed(server, error);
    }
  }

  /** A connection on which nobody has signed in. Rejects within the time-out. */
  async connect(server: LdapServer): Promise<Link> {
    const { timeout, startTls } = this.#settings;
    const address = new URL(server.url);
    const host = address.hostname.replace(/^\[|\]$/g, "");
    const secure = address.protocol === "ldaps:";
    const tls = secure || startTls ? await this.#tlsOptions(host) : {};
    const sockets: Socket[] = [];
    let alive = true;
    const kept = <S extends Socket>(socket: S): S => {
      sockets.push(socket);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      socket.once("close", () => {
        alive = false;
      });
      return socket;
    };
    const client = new this.#ldap.Client({
      url: server.url,
      timeout,
      connectTimeout: timeout,
      // Given at all, they would mean ldaps.
      ...(secure ? { tlsOptions: tls } : {}),
      createConnection: ((port: number, name: string) => kept(connectNet(port, name))) as typeof connectNet,
      createSecureConnection: ((...args: Parameters<typeof connectTls>) =>
        kept(connectTls(...args))) as typeof connectTls,
    });
    const end = (): void => {
      alive = false;
      for (const socket of sockets) {
        // What is lost with it is told by the promises of those who wait.
        socket.on("error", () => {});
        socket.destroy();
      }
    };
    const link: Link = {
      client,
      server,
      get alive() {
        return alive;
      },
      end,
    };
    if (startTls && !secure)
      await within(timeout, client.startTLS(tls), `${server.url}: StartTLS timed out`).catch((error) => {
        end();
        throw error;
      });
    return link;
  }

  async #tlsOptions(host: string): Promise<ConnectionOptions> {
    const { caFile, verifyCertificate } = this.#settings;
    return {
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: verifyCertificate,
      ...(caFile === "" ? {} : { ca: await readFile(caFile) }),
    };
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}

/** The promise, or an error when it takes longer. */
export async function within<T>(milliseconds: number, promise: Promise<T>, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message.trim() : String(error));

/** The result code (RFC 4511 §4.1.9) of an answer; undefined when the server did not answer. */
export const resultCodeOf = (error: unknown): number | undefined =>
  error instanceof Error && error.name !== "DirectoryUnavailable" && "code" in error && typeof error.code === "number"
    ? error.code
    : undefined;

/** busy, unavailable: the server is there but cannot answer; another one may. */
export const isBusyCode = (code: number | undefined): boolean => code === 51 || code === 52;
