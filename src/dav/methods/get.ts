import type { Method } from "../registry.ts";

declare const later: () => never;
export const getMethod: Method = { name: "GET", on: [], needs: () => [], handle: () => later() };
export const headMethod: Method = { name: "HEAD", on: [], needs: () => [], handle: () => later() };
