import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { invitationsIn } from "../../src/sharing/invitations.ts";
import { hasNotice } from "../../src/sharing/notices.ts";
import { openPublished } from "../../src/sharing/published.ts";
import { onWritePoint } from "../../src/store/points.ts";
import { openSharing, type Sharing, scenarios, shareSeen } from "../support/share-crash.ts";
import { event } from "../support/store.ts";

async function folder(work: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "caldavd-share-"));
  try {
    await work(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function opened<T>(root: string, work: (sharing: Sharing) => Promise<T>): Promise<T> {
  const sharing = await openSharing(root, `parent-${Math.random()}`);
  try {
    return await work(sharing);
  } finally {
    await sharing.close();
  }
}

/** What both sides say; nobody sees half of a share. */
async function look(sharing: Sharing) {
  const place = await sharing.store.open({ owner: sharing.owner, path: ["shared"] });
  const [invitation] = place === undefined ? [] : invitationsIn(await place.properties());
  const share = await shareSeen(sharing);
  assert.ok(
    share === undefined || invitation?.status === "accepted",
    "a share is seen only where its owner's calendar says so",
  );
  return { calendar: place, status: invitation?.status, share, uid: invitation?.uid };
}

/** What holds once the same request was made again. */
const ends: Readonly<Record<string, (sharing: Sharing) => Promise<void>>> = {
  invite: async (sharing) => {
    const { status, uid = "" } = await look(sharing);
    assert.equal(status, "noresponse");
    assert.ok(await hasNotice(sharing.store, sharing.sharee, uid), "the invitation has arrived");
  },
  accept: async (sharing) => {
    const { status, share } = await look(sharing);
    assert.equal(status, "accepted");
    assert.ok(share);
  },
  decline: async (sharing) => {
    const { status, share } = await look(sharing);
    assert.equal(status, "declined");
    assert.equal(share, undefined);
  },
  uninvite: async (sharing) => {
    const { status, share } = await look(sharing);
    assert.equal(status, undefined);
    assert.equal(share, undefined);
  },
  "delete calendar": async (sharing) => {
    const { calendar, share } = await look(sharing);
    assert.equal(calendar, undefined);
    assert.equal(share, undefined);
  },
  "keep an alarm": async (sharing) => {
    const { share } = await look(sharing);
    assert.equal((await share?.read("a.ics"))?.bytes.toString(), event("a", "X-MINE:1"));
    assert.equal((await share?.base.read("a.ics"))?.bytes.toString(), event("a"));
  },
  publish: async (sharing) => {
    const token = await scenarios["publish"]?.act(sharing);
    assert.ok(await openPublished(String(token), sharing));
  },
  unpublish: async (sharing) => {
    const { calendar } = await look(sharing);
    assert.ok(!(await calendar?.properties())?.has("{http://calendarserver.org/ns/}publish-url"));
  },
};

describe("a process killed at any point of a write leaves no half share, and the same request again completes it", () => {
  for (const [name, scenario] of Object.entries(scenarios))
    test(name, () =>
      folder(async (base) => {
        const root = join(base, "running");
        await opened(root, (sharing) => scenario.prepare(sharing));
        // What is on the disk at each point of the write, attributes too, is what a process killed there leaves behind.
        const left: string[] = [];
        await opened(root, async (sharing) => {
          onWritePoint(() => {
            const copy = join(base, `point-${left.length + 1}`);
            execFileSync("cp", ["-a", root, copy]);
            left.push(copy);
          });
          try {
            await scenario.act(sharing);
          } finally {
            onWritePoint(undefined);
          }
        });
        assert.ok(left.length > 3, `${left.length} points`);
        for (const copy of [...left, root])
          await opened(copy, async (sharing) => {
            await look(sharing);
            await scenario.act(sharing);
            await ends[name]?.(sharing);
          });
      }),
    );
});
