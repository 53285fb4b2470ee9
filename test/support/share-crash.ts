import { makeUrls } from "../../src/dav/urls.ts";
import { openDelegates } from "../../src/directory/delegates.ts";
import { createDirectory } from "../../src/directory/directory.ts";
import { openXmlAccounts } from "../../src/directory/xml-accounts.ts";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import type { Principal } from "../../src/model/principal.ts";
import { invitationsIn } from "../../src/sharing/invitations.ts";
import { openShare } from "../../src/sharing/links.ts";
import { publishCalendar, unpublishCalendar } from "../../src/sharing/published.ts";
import { acceptShare, declineShare, editSharees, endShares, type SharingServices } from "../../src/sharing/share.ts";
import type { Collection } from "../../src/store/contract.ts";
import type { PropertyMode } from "../../src/store/properties.ts";
import { FileStore } from "../../src/store/store.ts";
import { event, now } from "./store.ts";

export interface Sharing extends SharingServices {
  readonly store: FileStore;
  readonly owner: Principal;
  readonly sharee: Principal;
  calendar(): Promise<Collection>;
  close(): Promise<void>;
}

/** Sharing on a store that is there, between two of the test accounts. */
export async function openSharing(root: string, startId: string, properties?: PropertyMode): Promise<Sharing> {
  const warn = (): void => undefined;
  const accounts = new URL("../../data/accounts-test.xml", import.meta.url).pathname;
  const mode = properties === undefined ? {} : { properties };
  const { store } = await FileStore.open({ root, startId, quota: undefined, now: () => now, warn, ...mode });
  const directory = createDirectory(
    await openXmlAccounts(accounts, { warn }),
    await openDelegates({ documentRoot: root, dataRoot: root, storeIsUsed: false, warn }),
  );
  const user = async (name: string): Promise<Principal> => {
    const found = await directory.byShortName("users", name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };
  const [owner, sharee] = [await user("user01"), await user("user02")];
  const calendar = async (): Promise<Collection> => {
    await store.provision(owner);
    const ref = { owner, path: ["shared"] };
    return (await store.open(ref)) ?? store.create(ref, "calendar", new Map());
  };
  return {
    store,
    directory,
    urls: makeUrls(directory),
    now: () => now,
    owner,
    sharee,
    calendar,
    close: async () => {
      await store.close();
      await directory.close();
    },
  };
}

const invited = async (sharing: Sharing): Promise<void> =>
  editSharees(
    await sharing.calendar(),
    [{ uid: sharing.sharee.uid, sharee: sharing.sharee, access: "read-write", summary: "Team" }],
    sharing,
  );
const uninvited = async (sharing: Sharing): Promise<void> =>
  editSharees(
    await sharing.calendar(),
    [{ uid: sharing.sharee.uid, sharee: sharing.sharee, access: undefined, summary: "" }],
    sharing,
  );
const reply = { summary: "", address: "mailto:user02@example.com" };
const accepted = async (sharing: Sharing): Promise<unknown> =>
  acceptShare(await sharing.calendar(), sharing.sharee, reply, sharing);
const declined = async (sharing: Sharing): Promise<unknown> =>
  declineShare(await sharing.calendar(), sharing.sharee, reply, sharing);

/** What the sharee has of the calendar now. */
export async function shareSeen(sharing: Sharing) {
  for (const { name, kind } of await sharing.store.children({ owner: sharing.sharee, path: [] })) {
    if (kind !== "share") continue;
    const link = await sharing.store.open({ owner: sharing.sharee, path: [name] });
    const share = link && (await openShare(link, sharing));
    if (share !== undefined) return share;
  }
  return undefined;
}

export interface Scenario {
  /** Before what may be interrupted. */
  prepare(sharing: Sharing): Promise<unknown>;
  act(sharing: Sharing): Promise<unknown>;
}

/** What a killed process may have been doing. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  invite: { prepare: (sharing) => sharing.calendar(), act: invited },
  accept: { prepare: invited, act: accepted },
  decline: {
    prepare: async (sharing) => {
      await invited(sharing);
      await accepted(sharing);
    },
    act: declined,
  },
  uninvite: {
    prepare: async (sharing) => {
      await invited(sharing);
      await accepted(sharing);
    },
    act: uninvited,
  },
  "delete calendar": {
    prepare: async (sharing) => {
      await invited(sharing);
      await accepted(sharing);
    },
    act: async (sharing) => {
      const calendar = await sharing.calendar();
      const invitations = invitationsIn(await calendar.properties());
      await sharing.store.remove(calendar.ref);
      await endShares(calendar.ref, invitations, sharing);
    },
  },
  "keep an alarm": {
    prepare: async (sharing) => {
      await invited(sharing);
      await accepted(sharing);
      const calendar = await sharing.calendar();
      const staged = await calendar.stage(Buffer.from(event("a")), new Map());
      await calendar.change((change) => change.put("a.ics", staged, parseCalendarObject(event("a"))));
    },
    act: async (sharing) => {
      const share = await shareSeen(sharing);
      const etag = (await share?.base.entry("a.ics"))?.etag;
      if (share === undefined || etag === undefined) throw new Error("no share");
      await share.keep("a.ics", Buffer.from(event("a", "X-MINE:1")), etag, () => undefined);
    },
  },
  publish: {
    prepare: (sharing) => sharing.calendar(),
    act: async (sharing) => publishCalendar(await sharing.calendar(), sharing),
  },
  unpublish: {
    prepare: async (sharing) => publishCalendar(await sharing.calendar(), sharing),
    act: async (sharing) => unpublishCalendar(await sharing.calendar(), sharing),
  },
};

export function onlyScenario(name: string): Scenario {
  const found = scenarios[name];
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
}
