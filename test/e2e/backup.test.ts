import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { promisify } from "node:util";
import { textOf } from "../../src/xml/element.ts";
import { Client, preconditionOf, propfind, shown } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { event } from "./calendar-texts.ts";
import { directoryState, SyncClient, sorted } from "./sync-client.ts";

const run = promisify(execFile);
const path = "/calendars/users/user08/calendar/";
const displayname = "{DAV:}displayname";

describe("a restored backup", () => {
  let server: Server;
  let folder: string;
  let client: Client;
  let archive: string;
  beforeEach(async () => {
    server = await startServer();
    folder = await mkdtemp(join(tmpdir(), "caldavd-backup-"));
    archive = join(folder, "store.tar");
    client = new Client(server, "user08");
  });
  afterEach(async () => {
    client?.close();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const put = (uid: string, status: number, ...more: readonly string[]): Promise<unknown> =>
    client.expect(status, "PUT", `${path}${uid}.ics`, {
      body: event(uid, 0, ...more),
      headers: { "content-type": "text/calendar" },
    });
  const name = (value: string): Promise<unknown> =>
    client.multistatus(
      "PROPPATCH",
      path,
      `<propertyupdate xmlns="DAV:"><set><prop><displayname>${value}</displayname></prop></set></propertyupdate>`,
    );
  const save = (...more: readonly string[]): Promise<unknown> =>
    run("tar", ["-C", server.documents, "--xattrs", "--xattrs-include=*", ...more, "-cf", archive, "."]);
  async function restore(): Promise<void> {
    for (const one of await readdir(server.documents))
      await rm(join(server.documents, one), { recursive: true, force: true });
    await run("tar", ["-C", server.documents, "--xattrs", "--xattrs-include=*", "-xf", archive]);
  }

  /** A device that knows the state of the backup, and one that knows a future which the restoring takes back. */
  async function given(): Promise<{ old: SyncClient; late: SyncClient }> {
    await name("before");
    for (let n = 0; n < 10; n++) await put(`e${n}`, 201);
    const old = new SyncClient(server, "user08", path);
    await old.round();
    await save(...saving);
    await name("after");
    for (let n = 0; n < 5; n++) await put(`e${n}`, 204, "COMMENT:lost");
    for (let n = 10; n < 15; n++) await put(`e${n}`, 201);
    await client.expect(204, "DELETE", `${path}e9.ics`);
    const late = new SyncClient(server, "user08", path);
    await late.round();
    return { old, late };
  }
  let saving: readonly string[] = [];

  async function assertHealed(devices: { readonly old: SyncClient; readonly late: SyncClient }): Promise<void> {
    // The past goes on: as many changes as the lost future had, so that plain numbers would repeat.
    for (let n = 20; n < 32; n++) await put(`e${n}`, 201);
    const { late, old } = devices;
    const answer = await late.ask(late.token);
    assert.equal(answer.status, 403, `a token of the lost future was answered: ${shown(answer)}`);
    assert.equal(preconditionOf(answer), "{DAV:}valid-sync-token");
    const state = sorted(await directoryState(join(server.home("user08"), "calendar")));
    assert.equal(state.length, 22);
    for (const device of [late, old]) {
      await device.round();
      assert.deepEqual(sorted(device.etags), state);
      device.close();
    }
    const [calendar] = await client.multistatus("PROPFIND", path, propfind(displayname), { depth: "0" });
    assert.equal(textOf(calendar?.found.get(displayname) ?? ""), "before");
  }

  for (const [what, options] of [
    ["with its indexes", []],
    ["without its indexes", ["--exclude=.db.sqlite"]],
  ] as const) {
    test(`${what}, put back while the server is down, refuses the tokens of the lost future`, async () => {
      saving = options;
      const devices = await given();
      await server.halt();
      await restore();
      server = await server.restart();
      await assertHealed(devices);
    });

    test(`${what}, put back under the running server, refuses the tokens of the lost future`, async () => {
      saving = options;
      const devices = await given();
      await restore();
      await assertHealed(devices);
    });
  }
});
