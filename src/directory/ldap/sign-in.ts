import { createHmac, timingSafeEqual } from "node:crypto";
import { Lru } from "../../base/lru.ts";
import type { Keeper } from "../kept-answers.ts";
import type { LdapRecord } from "./entry-record.ts";
import type { PasswordPool } from "./passwords.ts";

/** A password found right is believed this long without asking again, as long as the record stays the same. Milliseconds. */
export const believedFor = 5 * 60_000;
const remembered = 10_000;

export interface Known {
  /** Hex. */
  readonly proof: string;
  readonly dn: string;
  readonly at: number;
}

export interface SignInOptions {
  readonly passwords: Pick<PasswordPool, "check">;
  /** Reads the record again; undefined: it is gone. */
  readonly refresh: (record: LdapRecord) => Promise<LdapRecord | undefined>;
  /** Milliseconds that a right password is still right while no server can be asked. */
  readonly staleFor: number;
  readonly freshFor: number;
  readonly now: () => number;
  /** Shared by the workers, different at each start. */
  readonly secret: string;
  /** Where the other workers find it. */
  readonly keeper?: Keeper<Known> | undefined;
}

/** Remembers which passwords were right, by a hash that is worth nothing without the secret, which is nowhere on disk: one bind
 *  per user and while, and those who signed in before go on working while the directory is down. */
export class SignIn {
  readonly #options: SignInOptions;
  readonly #known = new Lru<string, Known>({ maxEntries: remembered });

  constructor(options: SignInOptions) {
    this.#options = options;
  }

  async check(record: LdapRecord, password: string): Promise<boolean | "unavailable"> {
    if (password === "" || !record.enabled) return false;
    const { passwords, staleFor, freshFor, now, secret, keeper } = this.#options;
    const { uid } = record.principal;
    const proof = createHmac("sha256", secret).update(`${uid}\0${password}`).digest("hex");
    const ageOf = (known: Known | undefined): number =>
      known !== undefined && equal(known.proof, proof) && now() >= known.at
        ? now() - known.at
        : Number.POSITIVE_INFINITY;
    const known = this.#known.get(uid) ?? keeper?.load(uid)?.value;
    if (known?.dn === record.dn && ageOf(known) < Math.min(believedFor, freshFor)) return true;

    const answer = await passwords.check(record.dn, password);
    if (answer === true) return this.#remember(record, proof);
    if (answer === "unavailable")
      return ageOf(known) < staleFor || ageOf(keeper?.load(uid)?.value) < staleFor ? true : "unavailable";
    if (known !== undefined && equal(known.proof, proof)) {
      this.#known.delete(uid);
      keeper?.save(uid, undefined, now());
    }
    // Wrong, or the entry was moved and its old name can no longer sign in.
    const fresh = await this.#options.refresh(record).catch(() => undefined);
    if (fresh === undefined || fresh.dn === record.dn || !fresh.enabled) return false;
    const again = await passwords.check(fresh.dn, password);
    return again === true ? this.#remember(fresh, proof) : again;
  }

  #remember({ principal, dn }: LdapRecord, proof: string): true {
    const known = { proof, dn, at: this.#options.now() };
    this.#known.set(principal.uid, known);
    this.#options.keeper?.save(principal.uid, known, known.at);
    return true;
  }
}

const equal = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
