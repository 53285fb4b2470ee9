import type { AnyProperty } from "../registry.ts";
import * as access from "./access.ts";
import * as calendar from "./calendar.ts";
import * as calendarserver from "./calendarserver.ts";
import * as locks from "./locks.ts";
import * as principal from "./principal.ts";
import * as scheduling from "./scheduling.ts";
import * as sharing from "./sharing.ts";
import * as webdav from "./webdav.ts";

const isProperty = (value: unknown): value is AnyProperty =>
  typeof value === "object" && value !== null && "get" in value && "on" in value && "readsStored" in value;

/** Every live property of the server: what the modules of this folder declare. */
export const properties: readonly AnyProperty[] = [
  webdav,
  locks,
  access,
  principal,
  calendar,
  scheduling,
  sharing,
  calendarserver,
]
  .flatMap((declared) => Object.values<unknown>({ ...declared }))
  .filter(isProperty);
