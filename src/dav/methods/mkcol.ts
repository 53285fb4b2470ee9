import type { Method } from "../registry.ts";

declare const later: () => never;
export const mkcolMethod: Method = { name: "MKCOL", on: [], needs: () => [], handle: () => later() };
export const mkcalendarMethod: Method = { name: "MKCALENDAR", on: [], needs: () => [], handle: () => later() };
