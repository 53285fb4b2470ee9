import type { Principal } from "../model/principal.ts";
import type { Privilege } from "../model/privilege.ts";
import type { Context, Services } from "./registry.ts";
import type { Resource } from "./resource.ts";

declare const later: () => never;
export function makePrivileges(_user: Principal | undefined, _services: Services): Context["privileges"] {
  return later();
}
export async function demand(_context: Context, _resource: Resource, _needs: readonly Privilege[]): Promise<void> {
  return later();
}
