import { join } from "node:path";
import type { PrincipalUid } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import type { CollectionKind } from "./contract.ts";

/** Name of a collection's index; disposable. The original's name, so that an administrator finds it where the guide says. */
export const indexName = ".db.sqlite";
/** Folder of a collection for properties that found no room in extended attributes. */
export const sidecarFolder = ".props";

/** Names in a home that have a meaning of their own. */
const reserved: Readonly<Record<string, CollectionKind>> = {
  inbox: "inbox",
  outbox: "outbox",
  dropbox: "dropbox",
  notification: "notification",
};

/** The kind that a collection's name and place decide; undefined when its resourcetype does. */
export function kindByPlace(path: readonly string[]): CollectionKind | undefined {
  const [first] = path;
  if (first === undefined) return "home";
  if (path.length === 1) return Object.hasOwn(reserved, first) ? reserved[first] : undefined;
  // Boxes are plain collections; elsewhere a client may have made calendars in its folders.
  return first === "dropbox" ? "folder" : undefined;
}

/** The only place that joins paths of the store. Everything under `root` (DocumentRoot) is on one volume. */
export class Layout {
  readonly root: string;
  constructor(root: string) {
    this.root = root;
  }
  get principals(): string {
    return join(this.root, "principals");
  }
  get calendars(): string {
    return join(this.root, "calendars");
  }
  /** Where published calendars lie, a file for each token. */
  get published(): string {
    return join(this.root, "published");
  }
  publishedPlace(token: string): string {
    return join(this.published, fileNameOf(token));
  }
  /** Files being written, and collections being removed. Disposable. */
  get staging(): string {
    return join(this.root, ".staging");
  }
  /** The locks of one home. Beside the homes: a file that came and went in a collection would change its directory. */
  locks(owner: { readonly uid: PrincipalUid }): string {
    return join(this.root, ".locks", `${fileNameOf(owner.uid)}.sqlite`);
  }
  /** Files that are locked by name, see `NamedLocks`. Disposable. */
  get namedLocks(): string {
    return join(this.root, ".turns");
  }
  /** Which messages of other servers have arrived, see `Received`. */
  get received(): string {
    return join(this.root, ".received.sqlite");
  }
  /** Messages on their way, see `Jobs`. NOT disposable while there are any. */
  get queue(): string {
    return join(this.root, ".queue");
  }

  /** Which objects invite groups. */
  get groupEvents(): string {
    return join(this.root, ".groups");
  }
  /** Key for digest nonces, shared by all workers and hosts. Disposable: clients sign in again. */
  get secret(): string {
    return join(this.root, ".secret");
  }
  /** Folder of a principal that has signed in at least once, as the administration guide shows it. */
  principalFolders(principal: Principal): readonly string[] {
    return [
      join(this.principals, principal.type, fileNameOf(principal.shortName)),
      join(this.principals, "__uids__", fileNameOf(principal.uid)),
    ];
  }
  /** Where a new home is made: `calendars/users/alice`. */
  namedHome(owner: Principal): string {
    return join(this.calendars, owner.type, fileNameOf(owner.shortName));
  }
  /** Where a home is made when the name's place is somebody else's (a reused short name), and where 1.2 kept all. */
  uidHome(owner: { readonly uid: PrincipalUid }): string {
    return join(this.calendars, "__uids__", fileNameOf(owner.uid));
  }
  /** Where 2.x kept homes: two levels made from the first four characters of the uid. */
  hashedHome(owner: { readonly uid: PrincipalUid }): string {
    return join(this.calendars, "__uids__", owner.uid.slice(0, 2), owner.uid.slice(2, 4), fileNameOf(owner.uid));
  }
}

/** A directory name for text from the directory service: no separators, no leading dot. Reversible, and the identity for
 *  every name seen in practice. */
export const fileNameOf = (name: string): string =>
  name.replace(/[%/\\\0]|^\./g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`);

/** The text that `fileNameOf` made a directory name of. */
export const nameOfFile = (file: string): string =>
  file.replace(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

/** What Finder puts beside files on a volume that keeps no forks, `._<name>`, and into folders it has shown. It gives up on
 *  copying a file when it may not. */
const isFinders = (name: string): boolean => (name.startsWith("._") && name.length > 2) || name === ".DS_Store";

/** Whether a file of this name in such a collection is the server's own or stray, and no member. Between calendar objects
 *  Finder's files would be none; in an archive that came from a Mac they lie there by the hundred. */
export const isHidden = (name: string, kind: CollectionKind): boolean =>
  name.startsWith(".") && !((kind === "home" || kind === "folder") && isFinders(name));

/** Whether a resource may have this name on disk: not hidden everywhere, no separator, at most 255 bytes. */
export const isSafeName = (name: string): boolean =>
  name.length > 0 &&
  (!name.startsWith(".") || isFinders(name)) &&
  !name.includes("/") &&
  !name.includes("\0") &&
  (name.length < 64 || Buffer.byteLength(name) <= 255);
