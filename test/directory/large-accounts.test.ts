import assert from "node:assert/strict";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openXmlAccounts } from "../../src/directory/xml-accounts.ts";
import { normaliseAddress } from "../../src/model/principal.ts";
import { until } from "../support/server.ts";

const users = 10_000;
const file = (word: string): string => `<accounts realm="Large">
${Array.from(
  { length: users },
  (_, i) =>
    `<user><uid>u${i}</uid><guid>${String(i).padStart(8, "0")}-0000-4000-8000-000000000000</guid><password>u${i}</password><name>${word} ${i}</name><first-name>${word}</first-name><last-name>${i}</last-name><email-address>u${i}@example.com</email-address></user>`,
).join("\n")}
${Array.from(
  { length: 200 },
  (_, g) =>
    `<group><uid>g${g}</uid><guid>G${g}-0000</guid><name>Group ${g}</name><members>${Array.from({ length: 50 }, (_, k) => `<member type="users">u${g * 50 + k}</member>`).join("")}</members></group>`,
).join("\n")}
</accounts>`;

/** The longest turn of the event loop, in milliseconds of the processor: on a busy machine the clock says nothing. */
function watchTurns(): { end(): number } {
  let longest = 0;
  let last = process.cpuUsage();
  let ended = false;
  const turn = (): void => {
    const { user, system } = process.cpuUsage(last);
    last = process.cpuUsage();
    longest = Math.max(longest, (user + system) / 1000);
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    end() {
      ended = true;
      return longest;
    },
  };
}

test("a file of 10,000 users is read again while others are served: nothing holds the loop for 20 ms", async () => {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-large-"));
  const path = join(folder, "accounts.xml");
  await writeFile(path, file("First"));
  const clock = { now: 0 };
  const warnings: string[] = [];
  const accounts = await openXmlAccounts(path, {
    warn: (message) => void warnings.push(message),
    now: () => clock.now,
  });
  const nameOf = async (name: string): Promise<string | undefined> =>
    (await accounts.byShortName("users", name))?.fullName;
  assert.equal(await nameOf("u9999"), "First 9999");
  let best = Number.POSITIVE_INFINITY;
  for (const word of ["Second", "Third", "Fourth"]) {
    await writeFile(path, file(word));
    await utimes(path, new Date(), new Date(Date.now() + clock.now));
    const turns = watchTurns();
    clock.now += 1001;
    const generation = accounts.generation();
    await until("the new names", () => accounts.generation() !== generation, 60_000);
    const longest = turns.end();
    assert.equal(await nameOf("u9999"), `${word} 9999`);
    best = Math.min(best, longest);
  }
  // A collection of garbage may fall into one of them.
  assert.ok(best < 20, `one turn of the loop took ${best.toFixed(1)} ms`);
  const last = await accounts.byAddress(normaliseAddress("mailto:u9999@example.com"));
  const groups = await accounts.groupUids(last!.uid);
  assert.deepEqual(groups, ["G199-0000"]);
  assert.equal((await accounts.memberUids(groups[0]!)).length, 50);
  assert.deepEqual(warnings, []);

  await writeFile(path, file("Broken").replace("</accounts>", "<oops"));
  clock.now += 1001;
  await nameOf("u1");
  await until("the warning", () => warnings.length > 0, 60_000);
  assert.match(warnings.join(), /accounts\.xml: .*line \d+.*stays in use/);
  assert.equal(await nameOf("u1"), "Fourth 1");
  await accounts.close();
  await rm(folder, { recursive: true });
});
