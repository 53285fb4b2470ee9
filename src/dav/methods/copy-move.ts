import type { Method } from "../registry.ts";

declare const later: () => never;
export const copyMethod: Method = { name: "COPY", on: [], needs: () => [], handle: () => later() };
export const moveMethod: Method = { name: "MOVE", on: [], needs: () => [], handle: () => later() };
