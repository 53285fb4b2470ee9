import type { Method } from "../registry.ts";

declare const later: () => never;
export const proppatchMethod: Method = { name: "PROPPATCH", on: [], needs: () => [], handle: () => later() };
