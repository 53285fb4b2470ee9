import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Channel, Delivery, Letter } from "../../src/scheduling/channels.ts";
import { FileStore } from "../../src/store/store.ts";
import { now } from "../support/store.ts";
import { type Desk, deskOver, invitation } from "./given.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "caldavd-channels-"));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A peer for each domain that is written down; it does what it is told to. */
class Peers implements Channel {
  readonly name = "peers";
  readonly batch = 10;
  readonly took: { readonly to: readonly string[]; readonly letter: Letter }[] = [];
  readonly #domains: ReadonlySet<string>;
  answer: (letter: Letter, to: readonly string[]) => Promise<readonly Delivery[]>;

  constructor(domains: readonly string[], status = "1.2;Delivered") {
    this.#domains = new Set(domains);
    this.answer = async (_letter, to) => to.map((recipient) => ({ recipient, status }));
  }

  laneOf = (address: string): string => address.split("@")[1] ?? "";
  reaches = async (address: string): Promise<boolean> => this.#domains.has(this.laneOf(address));
  deliver = async (letter: Letter, to: readonly string[]): Promise<readonly Delivery[]> => {
    const results = await this.answer(letter, to);
    this.took.push({ to, letter });
    return results;
  };
}

let stores = 0;
async function within(
  channels: readonly Channel[],
  work: (desk: Desk, root: string, store: FileStore) => Promise<void>,
): Promise<void> {
  const root = join(folder, String(stores++));
  const { store } = await FileStore.open({
    root,
    startId: "one",
    quota: undefined,
    now: () => now,
    warn: () => undefined,
  });
  const desk = deskOver(store, () => now, channels);
  try {
    await desk.scheduling.recover();
    await work(desk, root, store);
  } finally {
    await desk.scheduling.close();
    await store.close();
  }
}

const bob = "ATTENDEE:mailto:bob@example.org";
const party = invitation("party", "alice", ["carol", bob]);
const statusOf = (text: string | undefined, address: string): string | undefined =>
  text
    ?.split("\r\n")
    .find((line) => line.endsWith(address))
    ?.match(/SCHEDULE-STATUS="?([\d.]+)/)?.[1];

describe("people of other servers", () => {
  test("a PUT does not wait for them; their status is pending, then what their server said, under the same schedule tag", async () => {
    const peers = new Peers(["example.org"]);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { answer } = peers;
    peers.answer = (letter, to) => held.then(() => answer(letter, to));
    await within([peers], async (desk) => {
      await desk.put("alice", "party.ics", party);
      const first = await desk.copy("alice", "party");
      assert.equal(statusOf(first, "bob@example.org"), "1.0");
      assert.equal(statusOf(first, "carol@example.com"), "1.2");
      const tag = (await (await desk.calendar("alice")).entry("party.ics"))?.scheduleTag;
      assert.ok(tag);
      release();
      await desk.scheduling.idle();
      assert.equal(statusOf(await desk.copy("alice", "party"), "bob@example.org"), "1.2");
      assert.equal((await (await desk.calendar("alice")).entry("party.ics"))?.scheduleTag, tag);
      assert.equal(peers.took.length, 1);
      assert.match(peers.took[0]?.letter.text ?? "", /METHOD:REQUEST/);
      assert.deepEqual(peers.took[0]?.to, ["mailto:bob@example.org"]);
    });
  });

  test("each message is sent once, however many notices of it come at the same moment", async () => {
    const peers = new Peers(["example.org"]);
    await within([peers], async (desk, _, { jobs }) => {
      // As on a slow volume: while a message is read, the next look at the queue begins.
      const read = jobs.read.bind(jobs);
      jobs.read = async (name) => {
        await new Promise((resolve) => setTimeout(resolve, 60));
        return read(name);
      };
      const uids = ["one", "two", "three", "four"];
      for (const uid of uids) {
        await desk.put("alice", `${uid}.ics`, invitation(uid, "alice", ["carol", bob]));
        // Its own notice comes first; this asks again meanwhile.
        await new Promise((resolve) => setTimeout(resolve, 30));
        await desk.scheduling.idle();
      }
      const ids = peers.took.map(({ letter }) => letter.id);
      assert.equal(ids.length, uids.length);
      assert.equal(new Set(ids).size, ids.length);
    });
  });

  test("an address that no channel reaches is no calendar user", async () => {
    await within([new Peers(["example.net"])], async (desk) => {
      await desk.put("alice", "party.ics", party);
      assert.equal(statusOf(await desk.copy("alice", "party"), "bob@example.org"), "3.7");
    });
  });

  test("the first channel that reaches an address has it; what it cannot do after all the next one does", async () => {
    const first = new Peers(["example.org"]);
    first.answer = async (_letter, to) =>
      to.map((recipient) => ({ recipient, again: "elsewhere", because: "no scheduling there" }));
    const second: Channel = Object.assign(new Peers(["example.org"], "1.1;Sent"), { name: "second" });
    await within([first, second], async (desk) => {
      await desk.put("alice", "party.ics", party);
      await desk.scheduling.idle();
      await desk.scheduling.idle();
      assert.equal(statusOf(await desk.copy("alice", "party"), "bob@example.org"), "1.1");
    });
  });

  test("one peer that does not answer holds up no other", async () => {
    const slow = new Peers(["example.org", "example.net"]);
    const { answer } = slow;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    slow.answer = (letter, to) => (to[0]?.endsWith("org") ? held.then(() => answer(letter, to)) : answer(letter, to));
    await within([slow], async (desk) => {
      await desk.put("alice", "party.ics", invitation("party", "alice", [bob, "ATTENDEE:mailto:dan@example.net"]));
      for (let copy = ""; statusOf(copy, "dan@example.net") !== "1.2"; copy = (await desk.copy("alice", "party")) ?? "")
        await new Promise((resolve) => setImmediate(resolve));
      assert.equal(statusOf(await desk.copy("alice", "party"), "bob@example.org"), "1.0");
      release();
      await desk.scheduling.idle();
      assert.equal(statusOf(await desk.copy("alice", "party"), "bob@example.org"), "1.2");
    });
  });

  test("a peer that is down gets the message when it is back, in the order of the changes, and once", async () => {
    const peers = new Peers(["example.org"]);
    const { answer } = peers;
    let isDown = true;
    peers.answer = (letter, to) => (isDown ? Promise.reject(new Error("refused")) : answer(letter, to));
    const root = await new Promise<string>((resolve, reject) => {
      within([peers], async (desk, place) => {
        await desk.put("alice", "party.ics", party);
        await desk.put("alice", "party.ics", undefined);
        await desk.scheduling.idle();
        assert.equal((await readdir(join(place, ".queue"))).length, 2);
        resolve(place);
      }).catch(reject);
    });
    isDown = false;
    const { store } = await FileStore.open({
      root,
      startId: "two",
      quota: undefined,
      now: () => now,
      warn: () => undefined,
    });
    const next = deskOver(store, () => now, [peers]);
    await next.scheduling.recover();
    for (let left = 1; left > 0; left = (await readdir(join(root, ".queue"))).length) await next.scheduling.idle();
    assert.deepEqual(
      peers.took.map(({ letter }) => letter.message.method),
      ["REQUEST", "CANCEL"],
    );
    await next.scheduling.close();
    await store.close();
  });

  test("an attendee answers an organizer elsewhere, and his copy tells what became of it", async () => {
    const peers = new Peers(["example.org"]);
    await within([peers], async (desk) => {
      const text = invitation("party", "alice", ["carol"]).replace(
        "ORGANIZER:mailto:alice@example.com",
        "ORGANIZER:mailto:bob@example.org",
      );
      await desk.put("carol", "party.ics", text);
      await desk.put("carol", "party.ics", text.replace("ATTENDEE:", "ATTENDEE;PARTSTAT=ACCEPTED:"));
      await desk.scheduling.idle();
      assert.equal(statusOf(await desk.copy("carol", "party"), "bob@example.org"), "1.2");
      const last = peers.took.at(-1)?.letter;
      assert.equal(last?.message.method, "REPLY");
      assert.match(last?.text ?? "", /PARTSTAT=ACCEPTED/);
    });
  });

  test("what an answer has said meanwhile is not taken back by the status of the delivery", async () => {
    const peers = new Peers(["example.org"]);
    const { answer } = peers;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    peers.answer = (letter, to) => held.then(() => answer(letter, to));
    await within([peers], async (desk) => {
      await desk.put("alice", "party.ics", party);
      const own = (await desk.copy("alice", "party")) ?? "";
      const calendar = await desk.calendar("alice");
      const { validateForStorage } = await import("../../src/ical/validate.ts");
      const { putObject } = await import("../../src/scheduling/store-object.ts");
      const answered = own.replace("SCHEDULE-STATUS=1.0", "SCHEDULE-STATUS=2.0");
      const entry = await calendar.entry("party.ics");
      await putObject(
        calendar,
        "party.ics",
        validateForStorage(answered, { maxInstances: 10 }),
        entry,
        entry?.scheduleTag,
      );
      release();
      await desk.scheduling.idle();
      assert.equal(statusOf(await desk.copy("alice", "party"), "bob@example.org"), "2.0");
    });
  });
});
