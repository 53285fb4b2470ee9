import type { Method } from "../registry.ts";

declare const later: () => never;
export const postMethod: Method = { name: "POST", on: [], needs: () => [], handle: () => later() };
