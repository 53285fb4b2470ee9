import { relative } from "node:path";
import type { Config } from "../config/schema.ts";
import type { DirectoryBackend } from "../directory/backend.ts";
import type { Principal } from "../model/principal.ts";
import { homesIn, type StoredHome } from "../store/homes.ts";
import { Layout } from "../store/layout.ts";
import { PropertyStore } from "../store/properties.ts";
import { findHome } from "../store/provision.ts";
import { nameOf } from "./place.ts";

/** `used`: the server serves it. `disabled`: the owner's record has no calendars (any more). `orphan`: the directory does not know the
 *  owner. `unused`: the owner has another home, which is served instead. */
export type HomeState = "used" | "disabled" | "orphan" | "unused";

/** A home of the store and what the directory says of it. */
export interface SurveyedHome extends StoredHome {
  readonly state: HomeState;
  /** undefined for an orphan. */
  readonly principal: Principal | undefined;
  /** Below DocumentRoot. */
  readonly place: string;
  /** What an administrator should know, if anything. */
  readonly note: string | undefined;
}

/** Where the homes are and how to read them. Nothing is written, so it may run as any user who can read the store. */
export interface StoreView {
  readonly layout: Layout;
  readonly properties: PropertyStore;
}

export const viewOf = ({ DocumentRoot }: Config, warn: (message: string) => void): StoreView => ({
  layout: new Layout(DocumentRoot),
  // Where there are no attributes it reads the files beside.
  properties: new PropertyStore("xattr", (message, details) => warn(`${message} ${JSON.stringify(details)}`)),
});

type Records = Pick<DirectoryBackend, "byUid" | "byShortName">;

/** Every home of the store. */
export async function* survey({ layout, properties }: StoreView, records: Records): AsyncGenerator<SurveyedHome> {
  for await (const home of homesIn(layout, properties)) {
    const { owner, named, path } = home;
    const holder = named && (await records.byShortName(named.type, named.name));
    const principal = owner === undefined ? holder : await records.byUid(owner);
    const place = relative(layout.root, path);
    const state = await stateOf(home, principal);
    const note =
      owner !== undefined && holder !== undefined && holder.uid !== owner
        ? `${nameOf(holder)} is now ${holder.uid}`
        : owner === undefined
          ? "has no mark of its owner"
          : undefined;
    yield { ...home, state, principal, place, note };
  }

  async function stateOf({ path }: StoredHome, principal: Principal | undefined): Promise<HomeState> {
    if (principal === undefined) return "orphan";
    if (!principal.calendaring) return "disabled";
    const served = await findHome({ layout, properties, warn: () => undefined }, principal);
    return served === path ? "used" : "unused";
  }
}
