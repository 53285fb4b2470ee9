import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { Lru } from "../../base/lru.ts";
import type { LdapRecord } from "./entry-record.ts";
import type { PasswordPool } from "./passwords.ts";

/** A password found right is believed this long without asking again, as long as the record stays the same. Milliseconds. */
const believedFor = 5 * 60_000;
const remembered = 10_000;

interface Known {
  readonly proof: Buffer;
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
}

/** Remembers which passwords were right, by a hash that is worth nothing in another process: one bind per user and while, and
 *  those who signed in before go on working while the directory is down. */
export class SignIn {
  readonly #options: SignInOptions;
  readonly #key = randomBytes(32);
  readonly #known = new Lru<string, Known>({ maxEntries: remembered });

  constructor(options: SignInOptions) {
    this.#options = options;
  }

  async check(record: LdapRecord, password: string): Promise<boolean | "unavailable"> {
    if (password === "" || !record.enabled) return false;
    const { passwords, staleFor, freshFor, now } = this.#options;
    const { uid } = record.principal;
    const proof = createHmac("sha256", this.#key).update(`${uid}\0${password}`).digest();
    const known = this.#known.get(uid);
    const same = known !== undefined && timingSafeEqual(known.proof, proof);
    const age = known === undefined ? 0 : now() - known.at;
    if (same && known.dn === record.dn && age >= 0 && age < Math.min(believedFor, freshFor)) return true;

    const answer = await passwords.check(record.dn, password);
    if (answer === true) return this.#remember(record, proof);
    if (answer === "unavailable") return same && age >= 0 && age < staleFor ? true : "unavailable";
    if (same) this.#known.delete(uid);
    // Wrong, or the entry was moved and its old name can no longer sign in.
    const fresh = await this.#options.refresh(record).catch(() => undefined);
    if (fresh === undefined || fresh.dn === record.dn || !fresh.enabled) return false;
    const again = await passwords.check(fresh.dn, password);
    return again === true ? this.#remember(fresh, proof) : again;
  }

  #remember({ principal, dn }: LdapRecord, proof: Buffer): true {
    this.#known.set(principal.uid, { proof, dn, at: this.#options.now() });
    return true;
  }
}
