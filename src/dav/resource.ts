import type { Href } from "../model/ids.ts";
import type { Principal, RecordType, Sudoer } from "../model/principal.ts";
import type { Collection, CollectionInfo, ObjectEntry } from "../store/contract.ts";

interface At {
  /** The resource's address in the form the client used (alias stays alias). */
  readonly href: Href;
}

/** Everything a URL can mean. Plain data; behaviour lives in the declarations of properties, methods and reports. */
export type Resource =
  | (At & { readonly kind: "root" })
  | (At & { readonly kind: "principal-root" })
  | (At & { readonly kind: "principal-type"; readonly type: RecordType | "__uids__" | "sudoers" })
  | (At & { readonly kind: "principal"; readonly principal: Principal | Sudoer })
  | (At & { readonly kind: "proxy-group"; readonly principal: Principal; readonly access: "read" | "write" })
  | (At & { readonly kind: "calendar-root" })
  | (At & { readonly kind: "calendar-type"; readonly type: RecordType | "__uids__" })
  | (At & {
      readonly kind: "home";
      readonly owner: Principal;
      readonly collection: Collection;
      readonly info: CollectionInfo;
    })
  /** Of a shared calendar in its sharee's home `owner` is the sharer, and `collection` a SharedCollection. */
  | (At & {
      readonly kind: "calendar" | "inbox" | "outbox" | "dropbox" | "notification" | "folder";
      readonly owner: Principal;
      readonly collection: Collection;
      readonly info: CollectionInfo;
    })
  /** A member of a calendar or an inbox. */
  | (At & {
      readonly kind: "object";
      readonly owner: Principal;
      readonly collection: Collection;
      readonly entry: ObjectEntry;
    })
  /** A member of any other collection. */
  | (At & {
      readonly kind: "file";
      readonly owner: Principal;
      readonly collection: Collection;
      readonly entry: ObjectEntry;
    })
  /** No such resource; the parent, when there is one, is where a PUT or MKCALENDAR would put it. */
  | (At & { readonly kind: "unmapped"; readonly parent: Resource | undefined; readonly name: string });

export type Kind = Resource["kind"];

/** Places that only lead somewhere; the server's own, read-only. */
export const navigationKinds = ["root", "principal-root", "principal-type", "calendar-root", "calendar-type"] as const;
export const principalKinds = ["principal", "proxy-group"] as const;
/** A home and every collection inside it. */
export const collectionKinds = ["home", "calendar", "inbox", "outbox", "dropbox", "notification", "folder"] as const;
export const memberKinds = ["object", "file"] as const;
/** Everything that exists. */
export const resourceKinds = [...navigationKinds, ...principalKinds, ...collectionKinds, ...memberKinds] as const;

const leaves: ReadonlySet<Kind> = new Set<Kind>([...memberKinds, "unmapped"]);
/** Whether the resource's href ends in "/": all but members and what is not there. */
export const isCollection = (resource: Resource): boolean => !leaves.has(resource.kind);
/** Whether the resource lies in a calendar home (the home included). */
export const isOwned = (resource: Resource): resource is Shape<(typeof collectionKinds)[number] | "object" | "file"> =>
  "owner" in resource;

/** The members of Resource whose kind is in K. A link to somebody's calendar ("share") is none: it stands for that calendar. */
export type Shape<K extends Kind | "share"> = Resource extends infer R
  ? R extends { readonly kind: infer Own }
    ? Extract<K, Own> extends never
      ? never
      : R
    : never
  : never;
