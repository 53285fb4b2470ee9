import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { type QName, textOf } from "../../src/xml/element.ts";
import { Client, propfind } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { event } from "./calendar-texts.ts";
import { runProgram } from "./run-program.ts";

const run = promisify(execFile);
const home = "/calendars/users/user10/";
const path = `${home}calendar/`;
const displayname: QName = "{DAV:}displayname";
const own: QName = "{urn:example}own";

/** Mounts a volume that knows no extended attributes (ramfs); undefined where that is not allowed. */
async function mounted(): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-plain-"));
  try {
    await run("mount", ["-t", "ramfs", "none", folder]);
    await chmod(folder, 0o750);
    return folder;
  } catch {
    await rm(folder, { recursive: true });
    return undefined;
  }
}

const volume = await mounted();

describe("a volume without extended attributes", { skip: volume === undefined && "only root can mount one" }, () => {
  let server: Server;
  let client: Client;
  before(async () => {
    server = await startServer({ root: volume ?? "", settings: { DefaultLogLevel: "info" } });
    client = new Client(server, "user10");
  });
  after(async () => {
    client?.close();
    await server?.stop();
    await run("umount", [volume ?? ""]);
    await rm(volume ?? "", { recursive: true });
  });

  const patch = async (at: string, value: string): Promise<void> => {
    const [item] = await client.multistatus(
      "PROPPATCH",
      at,
      `<propertyupdate xmlns="DAV:"><set><prop><own xmlns="urn:example">${value}</own></prop></set></propertyupdate>`,
    );
    assert.ok(item?.found.has(own), JSON.stringify(item));
  };
  const valueAt = async (at: string, name: QName): Promise<string> => {
    const [item] = await client.multistatus("PROPFIND", at, propfind(name), { depth: "0" });
    return textOf(item?.found.get(name) ?? "");
  };
  const put = (at: string, status: number, ...more: readonly string[]): Promise<unknown> =>
    client.expect(status, "PUT", at, {
      body: event("plain", 0, ...more),
      headers: { "content-type": "text/calendar" },
    });

  test("is noticed at the start", async () => {
    await server.logged(/no extended attributes/);
  });

  test("keeps properties of calendars and objects, over restarts too", async () => {
    await client.expect(201, "MKCALENDAR", `${home}made/`, {
      body: `<C:mkcalendar xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns="DAV:"><set><prop><displayname>Made</displayname></prop></set></C:mkcalendar>`,
    });
    await put(`${path}e.ics`, 201);
    await patch(path, "of the calendar");
    await patch(`${path}e.ics`, "of the object");
    client.close();
    server = await server.restart();
    client = new Client(server, "user10");
    assert.equal(await valueAt(`${home}made/`, displayname), "Made");
    assert.equal(await valueAt(path, own), "of the calendar");
    assert.equal(await valueAt(`${path}e.ics`, own), "of the object");
  });

  test("properties stay through PUT, follow MOVE, are copied by COPY and go with DELETE", async () => {
    const to = (name: string): Record<string, string> => ({ destination: server.url + home + name });
    await put(`${path}e.ics`, 204, "COMMENT:changed");
    assert.equal(await valueAt(`${path}e.ics`, own), "of the object");
    await client.expect(201, "MOVE", `${path}e.ics`, { headers: to("made/moved.ics") });
    assert.equal(await valueAt(`${home}made/moved.ics`, own), "of the object");
    await client.expect(201, "COPY", `${home}made/moved.ics`, { headers: to("calendar/copy.ics") });
    assert.equal(await valueAt(`${path}copy.ics`, own), "of the object");
    await client.expect(204, "DELETE", `${path}copy.ics`);
    await put(`${path}copy.ics`, 201);
    assert.equal(await valueAt(`${path}copy.ics`, own), "");
  });

  test("the files beside the data are no members", async () => {
    const items = await client.multistatus("PROPFIND", path, propfind(displayname), { depth: "1" });
    assert.deepEqual(
      items.map(({ href }) => href),
      [path, `${path}copy.ics`],
    );
    const hidden = (await readdir(join(server.home("user10"), "made"))).filter((name) => name.startsWith("."));
    assert.ok(hidden.includes(".props"), hidden.join());
  });

  test("litmus finds no fault with its properties", async () => {
    const { output } = await runProgram("litmus", [`${server.url}${home}`, "user10", "user10"], {
      package: "litmus",
      cwd: volume ?? "",
      env: { TESTS: "props" },
    });
    assert.match(output, /tests run: (\d+) passed, 0 failed/, output);
  });
});
