import { cs } from "../../xml/element.ts";
import { property } from "../registry.ts";

/** caldav-ctag §4.1: changes with anything in the collection; the same state as DAV:sync-token, in the form of its time. */
export const collectionTag = property({
  name: cs("getctag"),
  on: ["calendar", "inbox", "outbox", "notification"],
  get: ({ info }) => info.syncToken,
});
