import { cs } from "../../xml/element.ts";
import { property } from "../registry.ts";

/** caldav-ctag §4.1: changes with anything in the collection; the same state as DAV:sync-token, in the form of its time. */
export const collectionTag = property({
  name: cs("getctag"),
  on: ["calendar", "inbox", "outbox", "notification"],
  get: ({ info }) => info.syncToken,
});

/** MaxCollectionsPerHome, as later originals told it; absent without a limit. */
export const maxCollections = property({
  name: cs("max-collections"),
  on: ["home"],
  allprop: false,
  get: (_home, { services: { settings } }) => settings.maxCollectionsPerHome?.toString(),
});
/** MaxResourcesPerCollection */
export const maxResources = property({
  name: cs("max-resources"),
  on: ["calendar"],
  allprop: false,
  get: (_calendar, { services: { settings } }) => settings.maxResourcesPerCollection?.toString(),
});
