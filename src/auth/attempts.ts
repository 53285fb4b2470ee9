import { isIPv6 } from "node:net";
import type { Logger } from "../base/log.ts";
import { Lru } from "../base/lru.ts";
import { HttpError, type HttpRequest } from "../http/message.ts";

/** Wrong passwords that are on the house, for one name from one address and for all names from one address; a person's typing
 *  errors, a telephone with an old password, a school behind one address. */
const freePerName = 5;
const freePerAddress = 50;
/** And from all networks of one site, for IPv6: whoever has a site (/48) has 65,536 networks. */
const freePerSite = 500;
/** Every so often one failure is forgotten. Milliseconds. */
const forgiveName = 30_000;
const forgiveAddress = 5_000;
const forgiveSite = 500;
/** Between two attempts, once the free ones are used up: twice as long for each failure more. Milliseconds. */
const firstPause = 250;
const longestPause = 8_000;
/** An attempt whose turn is further off is refused with 429 without a look at it. Milliseconds. */
const longestWait = 10_000;
/** So long is a 429 held back, so that a program that asks again at once cannot keep a worker busy. Milliseconds. */
const holdBack = 100;
/** Refusals held back at once, per address; more are answered at once and cost their connection. */
const maxHeld = 64;
const maxRecords = 20_000;

/** Attempts of one pair that may be under way together: a client opens some connections at once. More get their turns this far
 *  apart (milliseconds), and many more none: none may fill the queue of slow hashes. */
const maxTogether = 16;
const apart = 100;
const mostTogether = 32;

interface Tally {
  failures: number;
  /** Turns given whose outcome is not known yet. */
  open: number;
  /** When `failures` was right. */
  at: number;
  /** When the next attempt may be looked at. */
  next: number;
}

/** A failure in another worker. */
export interface Failure {
  readonly address: string;
  readonly name: string;
}

export interface AttemptsOptions {
  readonly log: Logger;
  /** Milliseconds; a test gives its own clock. */
  readonly now?: () => number;
  readonly wait?: (milliseconds: number) => Promise<void>;
  /** Tells other workers of a failure. */
  readonly tell?: ((failure: Failure) => void) | undefined;
}

/** Slows down whoever guesses passwords: counted for each pair of name and address, and for each address. No name is ever
 *  locked: from another address its owner signs in at once, and so does from the same one whoever is known already (Basic's
 *  remembered credentials, Digest's proved nonces), since schemes ask here only about credentials that are new to them. */
export class Attempts {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #wait: (milliseconds: number) => Promise<void>;
  readonly #tell: ((failure: Failure) => void) | undefined;
  readonly #pairs = new Lru<string, Tally>({ maxEntries: maxRecords });
  readonly #addresses = new Lru<string, Tally>({ maxEntries: maxRecords });
  readonly #held = new Map<string, number>();
  readonly #exposed = new Lru<string, number>({ maxEntries: 1000 });

  constructor({ log, now = Date.now, wait = sleep, tell }: AttemptsOptions) {
    this.#log = log;
    this.#now = now;
    this.#wait = wait;
    this.#tell = tell;
  }

  /** Returns when the credentials of `name` may be looked at; undefined: at once. Rejects with HttpError 429 when there are too
   *  many such attempts. */
  turn(request: HttpRequest, name: string, scheme: string): Promise<void> | undefined {
    const address = addressKey(request.remote);
    const now = this.#now();
    const key = pairKey(address, name);
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { failures: 0, open: 0, at: now, next: 0 };
      this.#pairs.set(key, pair);
    }
    const whole = this.#addresses.get(address);
    const site = this.#addresses.get(siteOf(address) ?? "");
    const start = Math.max(now, pair.next, whole?.next ?? 0, site?.next ?? 0);
    if (start - now > longestWait || pair.open >= mostTogether)
      return this.#tooMany(request, name, scheme, address, start - now);
    pair.open++;
    const between = Math.max(pause(pair, now, freePerName, forgiveName), pair.open > maxTogether ? apart : 0);
    pair.next = start + between;
    if (whole !== undefined) whole.next = start + pause(whole, now, freePerAddress, forgiveAddress);
    if (site !== undefined) site.next = start + pause(site, now, freePerSite, forgiveSite);
    return start > now ? this.#wait(start - now) : undefined;
  }

  /** The credentials were wrong. Writes a line to the error log, in the form that docs/sign-in.md has a fail2ban filter for. */
  failed(request: HttpRequest, name: string, scheme: string): void {
    this.#record(request, name, scheme, "a sign-in failed");
    this.unknown(request, name);
    const failure = { address: addressKey(request.remote), name };
    this.heard(failure);
    this.#tell?.(failure);
  }

  /** Whether the credentials are right could not be found out. */
  unknown(request: HttpRequest, name: string): void {
    const pair = this.#pairs.peek(pairKey(addressKey(request.remote), name));
    if (pair !== undefined && pair.open > 0) pair.open--;
  }

  /** The credentials were right: the pair's failures are forgotten, those of the address are not. */
  succeeded(request: HttpRequest, name: string): void {
    this.#pairs.delete(pairKey(addressKey(request.remote), name));
  }

  /** A password came on a connection on which others may have read it, and was not looked at. One line per address and hour: the
   *  client will go on, and its user should hear of it. */
  exposed({ remote, headers }: HttpRequest): void {
    const now = this.#now();
    if (now - (this.#exposed.get(remote) ?? Number.NEGATIVE_INFINITY) < 3_600_000) return;
    this.#exposed.set(remote, now);
    this.#log.warn(
      "a client sent a password without TLS; it was not looked at (Authentication.Basic.AllowWithoutTLS)",
      {
        client: remote,
        agent: headers["user-agent"]?.slice(0, 200),
      },
    );
  }

  /** Counts a failure, here or in another worker. */
  heard({ address, name }: Failure): void {
    const now = this.#now();
    count(this.#pairs, pairKey(address, name), now, freePerName, forgiveName);
    // A proxy on this host speaks for everybody.
    if (isThisHost(address)) return;
    count(this.#addresses, address, now, freePerAddress, forgiveAddress);
    const site = siteOf(address);
    if (site !== undefined) count(this.#addresses, site, now, freePerSite, forgiveSite);
  }

  async #tooMany(request: HttpRequest, name: string, scheme: string, address: string, wait: number): Promise<void> {
    this.#record(request, name, scheme, "a sign-in was not looked at, there are too many");
    const held = this.#held.get(address) ?? 0;
    const headers = { "Retry-After": `${Math.max(1, Math.ceil(wait / 1000))}` };
    const sentence = "Too many wrong passwords came from your address; please wait before the next attempt.";
    if (held >= maxHeld) throw new HttpError(429, sentence, { ...headers, Connection: "close" });
    this.#held.set(address, held + 1);
    await this.#wait(holdBack);
    const left = (this.#held.get(address) ?? 1) - 1;
    if (left === 0) this.#held.delete(address);
    else this.#held.set(address, left);
    throw new HttpError(429, sentence, headers);
  }

  #record(request: HttpRequest, name: string, scheme: string, message: string): void {
    // The address stands in front of everything that a client can choose.
    this.#log.warn(message, { address: request.remote, scheme, user: name.slice(0, 200) });
  }
}

/** Whether a connection comes from this host, on which nobody else listens to it: a proxy that speaks TLS, for instance. */
export const isThisHost = (remote: string): boolean => remote.startsWith("127.") || remote === "::1";

const pairKey = (address: string, name: string): string => `${address} ${name.toLowerCase().slice(0, 200)}`;

/** What one party has in hand: of IPv6 a network of 64 bits. */
export const addressKey = (remote: string): string =>
  isIPv6(remote) && !isThisHost(remote) ? `${expanded(remote).slice(0, 4).join(":")}::/64` : remote;

/** What a provider gives to one customer, of a network's key: 48 bits. Undefined for IPv4. */
const siteOf = (key: string): string | undefined =>
  key.endsWith("::/64") ? `${key.split(":").slice(0, 3).join(":")}::/48` : undefined;

function expanded(address: string): readonly string[] {
  const plain = address.replace(/%.*$/, "");
  const [head = "", tail] = plain.split("::");
  const groups = (text: string): readonly string[] => (text === "" ? [] : text.split(":"));
  if (tail === undefined) return groups(plain);
  const [before, after] = [groups(head), groups(tail)];
  return [...before, ...Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0"), ...after];
}

/** Failures not forgiven yet. */
const current = (tally: Tally, now: number, forgive: number): number =>
  Math.max(0, tally.failures - Math.max(0, now - tally.at) / forgive);

const pause = (tally: Tally, now: number, free: number, forgive: number): number => {
  const over = current(tally, now, forgive) - free;
  return over < 0 ? 0 : Math.min(longestPause, firstPause * 2 ** Math.min(over, 20));
};

function count(tallies: Lru<string, Tally>, key: string, now: number, free: number, forgive: number): void {
  const known = tallies.get(key);
  const failures = (known === undefined ? 0 : current(known, now, forgive)) + 1;
  // Beyond what the longest pause stands for there is nothing to remember: an hour later all is forgiven.
  const tally = { failures: Math.min(failures, free + 20), at: now, next: known?.next ?? 0, open: known?.open ?? 0 };
  tally.next = Math.max(tally.next, now + pause(tally, now, free, forgive));
  tallies.set(key, tally);
}

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
