import type { AnyProperty } from "../registry.ts";

/** Every live property of the server. */
export const properties: readonly AnyProperty[] = [];
