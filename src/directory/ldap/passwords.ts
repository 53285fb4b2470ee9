import { isBusyCode, type LdapServers, type Link, messageOf, resultCodeOf, within } from "./servers.ts";

/** Checks that wait for a connection. */
const mostWaiting = 1000;

/** What a refused bind says about the password (RFC 4511 §4.1.9): wrong, or the account may not sign in (expired, locked,
 *  logon hours: Active Directory says so in 49 too). */
const no = new Set([19, 48, 49, 50, 53]);

/** Checks passwords by signing in as the user, on connections of their own: a search never runs with a user's rights, and slow
 *  password hashes of the directory server hold up no lookup. */
export class PasswordPool {
  readonly #servers: LdapServers;
  readonly #most: number;
  readonly #timeout: number;
  readonly #warn: (message: string) => void;
  readonly #idle: Link[] = [];
  #busy = 0;
  readonly #waiting: (() => void)[] = [];
  #closed = false;

  constructor(
    servers: LdapServers,
    options: { readonly connections: number; readonly timeout: number; readonly warn: (message: string) => void },
  ) {
    this.#servers = servers;
    this.#most = options.connections;
    this.#timeout = options.timeout;
    this.#warn = options.warn;
  }

  /** "unavailable": no server could say. Never asks with an empty password, which RFC 4513 §5.1.2 lets any server accept. */
  async check(dn: string, password: string): Promise<boolean | "unavailable"> {
    if (password === "" || dn === "") return false;
    if (!(await this.#turn())) return "unavailable";
    try {
      for (let attempt = 0; attempt < 3 && !this.#closed; attempt++) {
        const answer = await this.#ask(dn, password);
        if (answer !== "lost") return answer;
      }
      return "unavailable";
    } finally {
      this.#busy--;
      this.#waiting.shift()?.();
    }
  }

  async #ask(dn: string, password: string): Promise<boolean | "unavailable" | "lost"> {
    const idle = this.#fromIdle();
    let link: Link;
    try {
      link = idle ?? (await this.#open());
    } catch {
      return "unavailable";
    }
    try {
      await within(this.#timeout * 2, link.client.bind(dn, password), "signing in timed out");
      this.#keep(link);
      return true;
    } catch (error) {
      const code = resultCodeOf(error);
      if (code !== undefined && no.has(code)) {
        this.#keep(link);
        return false;
      }
      link.end();
      if (code !== undefined && !isBusyCode(code)) {
        this.#warn(`the directory server cannot check passwords: ${messageOf(error)}`);
        return "unavailable";
      }
      // A connection kept from before may merely have been closed.
      if (idle === undefined || code !== undefined || /timed out|timeout/i.test(messageOf(error)))
        this.#servers.failed(link.server, error);
      return "lost";
    }
  }

  #fromIdle(): Link | undefined {
    for (let link = this.#idle.pop(); link !== undefined; link = this.#idle.pop())
      if (link.alive && !link.server.down) return link;
      else link.end();
    return undefined;
  }

  async #open(): Promise<Link> {
    let failure: unknown;
    for (const server of this.#servers.candidates())
      try {
        return await this.#servers.connect(server);
      } catch (error) {
        failure = error;
        this.#servers.failed(server, error);
      }
    throw failure;
  }

  #keep(link: Link): void {
    if (this.#closed || !link.alive) link.end();
    else this.#idle.push(link);
  }

  /** False when it is not one's turn within two time-outs. */
  async #turn(): Promise<boolean> {
    if (this.#busy >= this.#most) {
      if (this.#waiting.length >= mostWaiting) return false;
      const mine = await new Promise<boolean>((resolve) => {
        const go = (): void => {
          clearTimeout(late);
          resolve(true);
        };
        const late = setTimeout(() => {
          const at = this.#waiting.indexOf(go);
          if (at >= 0) this.#waiting.splice(at, 1);
          resolve(false);
        }, this.#timeout * 2);
        this.#waiting.push(go);
      });
      if (!mine) return false;
    }
    this.#busy++;
    return true;
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#idle.splice(0)) link.end();
  }
}
