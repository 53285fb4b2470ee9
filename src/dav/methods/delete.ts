import type { Method } from "../registry.ts";

declare const later: () => never;
export const deleteMethod: Method = { name: "DELETE", on: [], needs: () => [], handle: () => later() };
