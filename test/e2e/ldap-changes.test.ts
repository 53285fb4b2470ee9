import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Answer, Client } from "../support/http-client.ts";
import { type Server, until } from "../support/server.ts";
import { beginning, groupOf, person, personDn, type Slapd, startSlapd, withoutSlapd } from "../support/slapd.ts";
import { event } from "./calendar-texts.ts";
import { startWithDirectory } from "./ldap-server.ts";

const users = ["ann", "bob", "cora", "dora", ...Array.from({ length: 30 }, (_, at) => `busy${at}`)];
const calendar = (user: string): string => `/calendars/users/${user}/calendar/`;

describe("people of an LDAP directory are renamed, disabled and deleted while the server works", {
  skip: withoutSlapd,
}, () => {
  let slapd: Slapd;
  let server: Server;
  let load: Promise<void>;
  let ending = false;
  let asked = 0;
  const problems: string[] = [];
  before(async () => {
    slapd = await startSlapd({
      // What locks accounts in OpenLDAP.
      global: "moduleload ppolicy",
      database: "overlay ppolicy",
      ldif: [
        beginning("people", "groups"),
        ...users.map((name) => person(name)),
        groupOf("team", [personDn("bob")]),
      ].join("\n"),
    });
    // Nothing is believed for longer than a moment.
    server = await startWithDirectory(slapd, { cacheTimeout: 0, negativeCacheTimeout: 0 });
    for (const user of users) assert.equal((await put(user, "mine")).status, 201);
    load = Promise.all(
      users
        .filter((name) => name.startsWith("busy"))
        .map(async (name) => {
          const client = new Client(server, name, 1);
          for (; !ending; asked++) {
            const { status } = await client.ask("GET", `${calendar(name)}mine.ics`);
            if (status !== 200) problems.push(`${name}: ${status}`);
          }
          client.close();
        }),
    ).then(() => {});
  });
  after(async () => {
    ending = true;
    await load;
    await server?.stop();
    await slapd?.stop();
  });

  const ask = async (method: string, path: string, user: string, password = user, body?: string): Promise<Answer> => {
    const client = new Client(server, null, 1);
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    const headers = { authorization, ...(body === undefined ? {} : { "content-type": "text/calendar" }) };
    return client.ask(method, path, { headers, ...(body === undefined ? {} : { body }) }).finally(() => client.close());
  };
  const put = (user: string, name: string): Promise<Answer> =>
    ask("PUT", `${calendar(user)}${name}.ics`, user, user, event(`${user}-${name}`));
  /** Every worker says so: eight connections are shared out to both. */
  const settles = (status: number, path: string, user: string, password = user): Promise<boolean> =>
    until(`${status} for ${user}`, async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask("GET", path, user, password)));
      return answers.every((answer) => answer.status === status);
    });
  const homes = (): readonly string[] => readdirSync(join(server.documents, "calendars/users"));

  test("a renamed user signs in by the new name, with the same calendars; the old name is nobody's", async () => {
    await slapd.modify(
      `dn: ${personDn("ann")}\nchangetype: modrdn\nnewrdn: uid=anna\ndeleteoldrdn: 1\n\ndn: ${personDn("anna")}\nchangetype: modify\nreplace: mail\nmail: anna@example.com\n`,
    );
    await settles(200, `${calendar("anna")}mine.ics`, "anna", "ann");
    await settles(401, `${calendar("ann")}mine.ics`, "ann", "ann");
    await until("the home to be moved after the name", () => homes().includes("anna") && !homes().includes("ann"));
    assert.equal((await ask("PUT", `${calendar("anna")}more.ics`, "anna", "ann", event("more"))).status, 201);
  });

  test("a disabled user is refused, and is let in again with everything as it was", async () => {
    await settles(200, `${calendar("bob")}mine.ics`, "bob");
    await slapd.modify(
      `dn: ${personDn("bob")}\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n`,
    );
    await settles(401, `${calendar("bob")}mine.ics`, "bob");
    assert.ok(homes().includes("bob"));
    await slapd.modify(`dn: ${personDn("bob")}\nchangetype: modify\ndelete: pwdAccountLockedTime\n`);
    await settles(200, `${calendar("bob")}mine.ics`, "bob");
  });

  test("a deleted user is nobody, the home stays; who is given the name is somebody else, with an empty home", async () => {
    await slapd.modify(`dn: ${personDn("cora")}\nchangetype: delete\n`);
    await settles(401, `${calendar("cora")}mine.ics`, "cora");
    assert.ok(homes().includes("cora"));
    await slapd.modify(`${person("cora").replace(/\n/, "\nchangetype: add\n")}`);
    await until("the new cora not to be given the old one's calendars", async () => {
      const { status } = await ask("GET", `${calendar("cora")}mine.ics`, "cora");
      return status !== 401 && status !== 200;
    });
    const { status, text } = await ask("GET", `${calendar("cora")}mine.ics`, "cora");
    assert.ok(status === 404 || status === 503 || status === 403 || status === 409, `${status} ${text}`);
    assert.doesNotMatch(text, /BEGIN:VCALENDAR/);
  });

  test("a changed password is right as soon as it is there, the old one no longer", async () => {
    await settles(200, `${calendar("dora")}mine.ics`, "dora");
    await slapd.modify(`dn: ${personDn("dora")}\nchangetype: modify\nreplace: userPassword\nuserPassword: changed\n`);
    await settles(200, `${calendar("dora")}mine.ics`, "dora", "changed");
    await settles(401, `${calendar("dora")}mine.ics`, "dora", "dora");
  });

  test("nobody else has noticed anything", async () => {
    ending = true;
    await load;
    assert.deepEqual(problems, []);
    assert.ok(asked > 300, `${asked} requests`);
    assert.doesNotMatch(await server.errorLog(), /"level":"error"/);
  });
});
