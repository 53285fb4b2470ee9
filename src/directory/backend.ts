import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import type { AutoSchedule, Principal, RecordType } from "../model/principal.ts";

/** What a search for principals compares (RFC 3744 §9.4). */
export type PrincipalField = "name" | "firstName" | "lastName" | "mail" | "address";

/** Conditions of a search for principals. `equals` and the rest compare without case. */
export type PrincipalQuery =
  | { readonly kind: "all" | "any"; readonly of: readonly PrincipalQuery[] }
  | {
      readonly kind: "term";
      readonly field: PrincipalField;
      readonly text: string;
      readonly match: "contains" | "equals" | "starts-with" | "ends-with";
    };

/** A directory service: where records come from. One file per service; `server.ts` maps the plist's type to one. */
export interface DirectoryBackend {
  readonly realm: string;
  list(type: RecordType): AsyncIterable<Principal>;
  byUid(uid: PrincipalUid): Promise<Principal | undefined>;
  /** Any of the record's short names, or its authentication ids. */
  byShortName(type: RecordType, name: string): Promise<Principal | undefined>;
  byAddress(address: CalendarAddress): Promise<Principal | undefined>;
  /** Direct members only; nesting is `directory.ts`'s work. Empty for anything but a group. */
  memberUids(group: PrincipalUid): Promise<readonly PrincipalUid[]>;
  /** The groups that name the principal directly. */
  groupUids(member: PrincipalUid): Promise<readonly PrincipalUid[]>;
  /** What the record stores for its owner to be known by, as written: clear text, or a hash in one of the forms that
   *  `auth/stored-password.ts` reads (HA1, which Digest needs, among them). Any one of them is enough. A service that gives no
   *  passwords away leaves this method out. `anew`: not from memory, but for what was read this second. */
  storedPasswords?(user: Principal, anew?: boolean): Promise<readonly string[]>;
  /** Asks the service itself (an LDAP bind). `unavailable`: it could not be asked, which is neither yes nor no, and the
   *  client is told 503. Asked after `storedPasswords`, where both are there. Never asked with an empty password. */
  verifyPassword?(user: Principal, password: string): Promise<boolean | "unavailable">;
  /** For services that can take signing in away from a record that stays: false refuses every password, app passwords too. */
  maySignIn?(user: Principal): Promise<boolean>;
  /** Delegates written in the record (accounts.xml `proxies`, `read-only-proxies`). */
  delegatesOf(
    owner: PrincipalUid,
  ): Promise<{ readonly read: readonly PrincipalUid[]; readonly write: readonly PrincipalUid[] }>;
  /** For services that can say who names `delegate` in a record without listing everybody. */
  ownersTrusting?(delegate: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]>;
  /** For services that search better than by listing: all records that meet the query, perhaps some that do not. */
  search?(type: RecordType, query: PrincipalQuery): AsyncIterable<Principal>;
  /** A number that changes when records may have changed; caches above are valid while it stays. */
  generation(): number;
  /** Ends watching and connections. */
  close(): Promise<void>;
}

export type { AutoSchedule };

/** One list of delegates: who has that access to the owner's calendars. */
export interface DelegateList {
  readonly owner: PrincipalUid;
  readonly access: "read" | "write";
  readonly members: readonly PrincipalUid[];
}

/** What becomes of one list: given the members it has at that moment, in their order, the members it shall have. */
export interface DelegateEdit {
  readonly owner: PrincipalUid;
  readonly access: "read" | "write";
  edit(members: readonly PrincipalUid[]): readonly PrincipalUid[];
}

/** The delegates (proxies) of calendar users: the one database that is not disposable. */
export interface Delegates {
  of(owner: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]>;
  /** Who named `delegate` directly. */
  whoTrust(delegate: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]>;
  /** Every list that has members, whether the directory knows them or not, as of one moment. */
  lists(): Promise<readonly DelegateList[]>;
  /** Makes all edits in one transaction, durably: returns when they are on the disk. With `others` "removed", lists that no edit
   *  names are emptied. */
  change(edits: readonly DelegateEdit[], others?: "kept" | "removed"): Promise<void>;
  /** Changes when any process has written; caches above are valid while it stays. */
  generation(): number;
  close(): void;
}

/** What the rest of the server asks about principals: the backend, with nested groups, delegates and caches. */
export interface Directory {
  readonly realm: string;
  list(type: RecordType): AsyncIterable<Principal>;
  /** All records of the type that meet the query, perhaps some that do not; whoever asks looks again. */
  search(type: RecordType, query: PrincipalQuery): AsyncIterable<Principal>;
  byUid(uid: PrincipalUid): Promise<Principal | undefined>;
  byShortName(type: RecordType, name: string): Promise<Principal | undefined>;
  byAddress(address: CalendarAddress): Promise<Principal | undefined>;
  /** Direct members that exist. */
  members(group: Principal): Promise<readonly Principal[]>;
  /** Members of members too, loops tolerated, groups included; at most so many. */
  expandedMembers(group: Principal, atMost?: number): Promise<readonly Principal[]>;
  /** Groups that hold the principal directly. */
  memberships(principal: Pick<Principal, "uid">): Promise<readonly Principal[]>;
  /** Groups that hold the principal directly or through other groups. */
  expandedMemberships(principal: Pick<Principal, "uid">): Promise<readonly Principal[]>;
  /** Delegates named by the owner; those the directory does not know (any more) are left out, never deleted. */
  delegates(owner: Principal, access: "read" | "write"): Promise<readonly Principal[]>;
  setDelegates(owner: Principal, access: "read" | "write", members: readonly Principal[]): Promise<void>;
  /** Owners to whose calendars the principal has that access, directly or through a group. */
  delegatedBy(delegate: Pick<Principal, "uid">, access: "read" | "write"): Promise<readonly Principal[]>;
  /** The uid, and those of all groups that hold it: what ACEs are matched against. Cached while the generations stay. */
  identities(principal: Pick<Principal, "uid">): Promise<ReadonlySet<PrincipalUid>>;
  /** The strongest delegate access that `user` has to `owner`'s calendars, directly or through groups. */
  delegateAccess(user: Principal, owner: Principal): Promise<"none" | "read" | "write">;
  /** Changes when records or delegates may have changed. */
  generation(): number;
  close(): Promise<void>;
}
