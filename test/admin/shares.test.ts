import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { invitationsIn } from "../../src/sharing/invitations.ts";
import { adminOf } from "../support/caladmin.ts";
import { onlyScenario, openSharing } from "../support/share-crash.ts";

test("caladmin shares says who shares what with whom, what is published, and where a link is missing", async () => {
  const root = await mkdtemp(join(tmpdir(), "caldavd-shares-"));
  try {
    const documents = join(root, "Documents");
    await mkdir(join(root, "Data"), { recursive: true });
    const sharing = await openSharing(documents, "test");
    await onlyScenario("decline").prepare(sharing);
    await onlyScenario("publish").act(sharing);
    const calendar = await sharing.calendar();
    const [invitation] = invitationsIn(await calendar.properties());
    const caladmin = adminOf({ documents, data: join(root, "Data") });
    const rows = async (...more: readonly string[]): Promise<readonly Record<string, string>[]> => {
      const { out, err } = await caladmin(["-f", "json", "shares", ...more]);
      assert.equal(err, "");
      return JSON.parse(out) as Record<string, string>[];
    };
    const about = { owner: "users:user01", calendar: "shared" };
    const [published, shared] = await rows();
    assert.deepEqual(
      { ...published, id: "" },
      { ...about, sharee: "everybody", access: "read", state: "published", id: "" },
    );
    const expected = { ...about, sharee: "users:user02", access: "read-write", state: "accepted", id: invitation?.uid };
    assert.deepEqual(shared, expected);
    assert.equal((await rows("--published")).length, 1);
    await sharing.store.remove({ owner: sharing.sharee, path: [invitation?.uid ?? ""] });
    assert.deepEqual((await rows())[1], { ...expected, state: "no link" });
    await sharing.close();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
