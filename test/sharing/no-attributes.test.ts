import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { onlyScenario, openSharing, shareSeen } from "../support/share-crash.ts";
import { event } from "../support/store.ts";

test("a share on a volume without extended attributes is kept in files beside the data, and found after a restart", async () => {
  const root = await mkdtemp(join(tmpdir(), "caldavd-share-"));
  try {
    const first = await openSharing(root, "first", "sidecar");
    await onlyScenario("keep an alarm").prepare(first);
    await onlyScenario("keep an alarm").act(first);
    await first.close();
    const again = await openSharing(root, "second", "sidecar");
    const share = await shareSeen(again);
    assert.equal((await share?.read("a.ics"))?.bytes.toString(), event("a", "X-MINE:1"));
    assert.equal(share?.invitation.summary, "Team");
    await onlyScenario("uninvite").act(again);
    assert.equal(await shareSeen(again), undefined);
    await again.close();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
