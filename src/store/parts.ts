import type { Stats } from "node:fs";
import type { Lru } from "../base/lru.ts";
import type { Utc } from "../model/ids.ts";
import type { ContentCache } from "./contents.ts";
import type { ObjectEntry } from "./contract.ts";
import type { Handle } from "./handle.ts";
import type { IndexFile, State } from "./index-file.ts";
import type { Layout } from "./layout.ts";
import type { PropertyStore } from "./properties.ts";
import type { Volume } from "./volume.ts";

/** What every part of the store shares. */
export interface StoreParts {
  readonly layout: Layout;
  readonly properties: PropertyStore;
  readonly contents: ContentCache;
  /** Listings as of a sync token and a count of property changes, kept between requests; bounded by entries over all collections. */
  readonly lists: Lru<Handle, { readonly key: string; readonly list: readonly ObjectEntry[] }>;
  /** Random for each start of the server on each host; names the era of its writes (see index-file.ts). */
  readonly startId: string;
  readonly volume: Volume;
  /** Rows read lately, by path, with the `rest` they were read at. */
  readonly rows: Lru<string, { readonly rest: number; readonly entry: ObjectEntry | undefined }>;
  readonly now: () => Utc;
  readonly warn: (message: string, details: Readonly<Record<string, unknown>>) => void;
  /** Whether file-change notices of the kernel are to be used; without them listings look at each file once in a while. */
  readonly watch: boolean;
  /** Whether a new home keeps events and tasks apart. */
  readonly apart: boolean;
}

/** The index and what it said of itself, in agreement with the directory at the moment of asking. */
export interface View {
  readonly index: IndexFile;
  readonly state: State;
  readonly directory: Stats;
  /** The index file's ctime, if whatever is written from now on gives it another: what was read at this time stays true as
   *  long as the file has it. Undefined: cannot be told. */
  readonly rest: number | undefined;
}
