import type { Method } from "../registry.ts";

declare const later: () => never;
export const putMethod: Method = { name: "PUT", on: [], needs: () => [], handle: () => later() };
