import type { PrincipalUid } from "../model/ids.ts";

type Access = "read" | "write";

const noOwners: readonly PrincipalUid[] = [];

/** Who is named as delegate in whose record, asked the other way round than records say it. */
export class ReverseProxies {
  readonly #owners = { read: new Map<PrincipalUid, PrincipalUid[]>(), write: new Map<PrincipalUid, PrincipalUid[]>() };

  add(owner: PrincipalUid, proxies: Readonly<Record<Access, readonly PrincipalUid[]>>): void {
    for (const access of ["read", "write"] as const)
      for (const delegate of proxies[access]) {
        const known = this.#owners[access].get(delegate);
        if (known === undefined) this.#owners[access].set(delegate, [owner]);
        else known.push(owner);
      }
  }

  /** Who names `delegate` directly, in the order they were added. */
  ownersTrusting(delegate: PrincipalUid, access: Access): readonly PrincipalUid[] {
    return this.#owners[access].get(delegate) ?? noOwners;
  }
}
