import type { ConfigOf, Section } from "./key.ts";
import { authentication } from "./schema-access.ts";
import { directory } from "./schema-directory.ts";
import { accounting, logs } from "./schema-logs.ts";
import { address, load, machinery, processes } from "./schema-network.ts";
import { sharing } from "./schema-sharing.ts";
import { features, notifications, scheduling, store } from "./schema-store.ts";

/** Every key of the property list. Names and meanings are those of Darwin Calendar Server 1.2 and 2.4; defaults are those
 *  of 2.4, with the exceptions that the sentences and docs/ name. */
export const schema = {
  ...address,
  ...store,
  ...directory,
  ...authentication,
  ...features,
  ...scheduling,
  ...sharing,
  ...notifications,
  ...processes,
  ...load,
  ...logs,
  ...accounting,
  ...machinery,
} satisfies Section;

/** The configuration as the server uses it: complete, checked, paths absolute. */
export type Config = ConfigOf<typeof schema>;

/** The keys in the order and under the headings of the default plist. */
export const chapters: readonly { readonly title: string; readonly section: Section }[] = [
  { title: "Where the server is reached", section: address },
  { title: "The data store and its limits", section: store },
  { title: "Users, groups, locations, resources", section: directory },
  { title: "Signing in", section: authentication },
  { title: "What clients may do and see", section: features },
  { title: "Invitations", section: scheduling },
  { title: "Sharing", section: sharing },
  { title: "Telling clients about changes", section: notifications },
  { title: "Processes", section: processes },
  { title: "Load", section: load },
  { title: "Logs", section: logs },
  { title: "Counters and logs of the original", section: accounting },
  { title: "Machinery of the original", section: machinery },
];
