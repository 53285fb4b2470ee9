import type { Component } from "../ical/component.ts";
import type { Identify } from "../itip/people.ts";
import { addressesIn } from "../itip/role.ts";
import { normaliseAddress, type Principal } from "../model/principal.ts";

/** Whom the addresses of some objects mean, looked up once for one operation: what decides over them cannot wait for a directory. */
export class People {
  readonly #lookUp: (address: string) => Promise<Principal | undefined>;
  readonly #ids = new Map<string, string>();
  readonly #principals = new Map<string, Principal>();

  constructor(lookUp: (address: string) => Promise<Principal | undefined>) {
    this.#lookUp = lookUp;
  }

  /** Looks up the people of these objects. */
  async learn(...roots: readonly (Component | undefined)[]): Promise<void> {
    for (const root of roots)
      if (root !== undefined) for (const address of addressesIn(root)) await this.learnAddress(address);
  }

  async learnAddress(address: string): Promise<void> {
    if (this.#ids.has(address)) return;
    const normal = normaliseAddress(address);
    const principal = await this.#lookUp(address);
    const id = principal?.uid ?? normal;
    this.#ids.set(address, id);
    this.#ids.set(normal, id);
    if (principal !== undefined) this.#principals.set(principal.uid, principal);
  }

  /** Somebody who was found in another way, under all his addresses. */
  add(principal: Principal): void {
    this.#principals.set(principal.uid, principal);
    for (const address of principal.addresses) this.#ids.set(address, principal.uid);
  }

  /** A principal's uid, or the address of somebody who is not here. */
  readonly identify: Identify = (address) => {
    const known = this.#ids.get(address);
    if (known !== undefined) return known;
    const normal = normaliseAddress(address);
    return this.#ids.get(normal) ?? normal;
  };

  /** By what `identify` gave. */
  principal(id: string): Principal | undefined {
    return this.#principals.get(id);
  }
}
