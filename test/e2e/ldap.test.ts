import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { textOf } from "../../src/xml/element.ts";
import { Client, propfind } from "../support/http-client.ts";
import { chain, ldifOfMany, users } from "../support/ldap-people.ts";
import { repository, type Server, until } from "../support/server.ts";
import { type Slapd, startSlapd, withoutSlapd } from "../support/slapd.ts";
import { event } from "./calendar-texts.ts";
import { startWithDirectory } from "./ldap-server.ts";
import { runProgram } from "./run-program.ts";
import { VdirsyncerPair } from "./vdirsyncer-pair.ts";

/** Only the last group of the chain has a user. */
const ldif = ldifOfMany((at) => (at === chain.length - 1 ? ["user0009"] : [])).join("\n");

const home = (user: string): string => `/calendars/users/${user}/`;
const ctag = propfind("{http://calendarserver.org/ns/}getctag");
const groupMembers = "{DAV:}group-member-set";

describe("a server whose users are in an LDAP directory", { skip: withoutSlapd }, () => {
  let slapd: Slapd;
  let server: Server;
  let augments: string;
  const clients: Client[] = [];
  const as = (user: string | null, sockets = 2): Client => {
    const client = new Client(server, user, sockets);
    clients.push(client);
    return client;
  };
  before(async () => {
    slapd = await startSlapd({ ldif });
    augments = join(await mkdtemp(join(tmpdir(), "caldavd-augments-")), "augments.xml");
    await writeFile(augments, "<augments/>");
    server = await startWithDirectory(slapd, { negativeCacheTimeout: 1 }, {}, [augments]);
  });
  after(async () => {
    for (const client of clients) client.close();
    await server?.stop();
    await slapd?.stop();
  });

  test("a user signs in, finds the home, and keeps events there; others do not see it", async () => {
    const ann = as("user0001");
    const [principal] = await ann.multistatus(
      "PROPFIND",
      "/principals/users/user0001/",
      propfind("{DAV:}displayname", "{urn:ietf:params:xml:ns:caldav}calendar-user-address-set"),
      { depth: "0" },
    );
    assert.equal(textOf(principal!.found.get("{DAV:}displayname")!), "user0001 Example");
    assert.match(
      textOf(principal!.found.get("{urn:ietf:params:xml:ns:caldav}calendar-user-address-set")!),
      /mailto:user0001@example\.com/,
    );
    await ann.expect(201, "PUT", `${home("user0001")}calendar/lunch.ics`, {
      body: event("lunch"),
      headers: { "content-type": "text/calendar" },
    });
    await ann.expect(200, "GET", `${home("user0001")}calendar/lunch.ics`);
    await as("user0002").expect(403, "GET", `${home("user0001")}calendar/lunch.ics`);
    await as(null).expect(401, "GET", `${home("user0001")}calendar/lunch.ics`);
    const wrong = Buffer.from("user0001:wrong").toString("base64");
    await as(null).expect(401, "PROPFIND", "/", { headers: { authorization: `Basic ${wrong}`, depth: "0" } });
    const empty = Buffer.from("user0001:").toString("base64");
    await as(null).expect(401, "PROPFIND", "/", { headers: { authorization: `Basic ${empty}`, depth: "0" } });
  });

  test("a delegate through 200 nested groups, which form a loop, sees the calendars", async () => {
    const owner = as("user0003");
    await owner.expect([201, 207], "PUT", `${home("user0003")}calendar/x.ics`, {
      body: event("x"),
      headers: { "content-type": "text/calendar" },
    });
    const [group] = await owner.multistatus(
      "PROPFIND",
      "/principals/groups/chain001/",
      propfind("{DAV:}principal-URL"),
      { depth: "0" },
    );
    const href = textOf(group!.found.get("{DAV:}principal-URL")!).trim();
    await as("user0009").expect(403, "GET", `${home("user0003")}calendar/x.ics`);
    await owner.multistatus(
      "PROPPATCH",
      "/principals/users/user0003/calendar-proxy-read/",
      `<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:group-member-set><D:href>${href}</D:href></D:group-member-set></D:prop></D:set></D:propertyupdate>`,
    );
    const [proxy] = await owner.multistatus(
      "PROPFIND",
      "/principals/users/user0003/calendar-proxy-read/",
      propfind(groupMembers),
      { depth: "0" },
    );
    assert.ok(textOf(proxy!.found.get(groupMembers)!).includes(href));
    await as("user0009").expect(200, "GET", `${home("user0003")}calendar/x.ics`);
    await as("user0010").expect(403, "GET", `${home("user0003")}calendar/x.ics`);
  });

  test("principals are searched in the directory, as many as the client wants", async () => {
    const search = (text: string, limit: number): string =>
      `<?xml version="1.0"?><D:principal-property-search xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/" test="anyof"><D:property-search><D:prop><D:displayname/></D:prop><D:match>${text}</D:match></D:property-search><D:property-search><D:prop><CS:email-address-set/></D:prop><D:match>${text}</D:match></D:property-search><D:prop><D:displayname/></D:prop><CS:limit><CS:nresults>${limit}</CS:nresults></CS:limit></D:principal-property-search>`;
    const found = await as("user0001").multistatus("REPORT", "/principals/", search("user01", 500), { depth: "0" });
    assert.equal(found.filter(({ status }) => status !== 507).length, 100);
    const few = await as("user0001").multistatus("REPORT", "/principals/", search("user", 7), { depth: "0" });
    assert.ok(few.length <= 8, `${few.length} answers`);
    const room = await as("user0001").multistatus("REPORT", "/principals/", search("atlantis", 7), { depth: "0" });
    assert.equal(room.length, 1);
  });

  test("the directory server goes and comes back under load: who was known works on, nothing is deleted, others are told to wait", async () => {
    const known = users.slice(0, 40);
    for (const name of known)
      await as(name).expect(201, "PUT", `${home(name)}calendar/mine.ics`, {
        body: event(name),
        headers: { "content-type": "text/calendar" },
      });
    await as("user0001").multistatus(
      "PROPPATCH",
      "/principals/users/user0001/calendar-proxy-write/",
      `<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:group-member-set><D:href>${await urlOf("user0002")}</D:href></D:group-member-set></D:prop></D:set></D:propertyupdate>`,
    );
    await as("user0002").expect(200, "GET", `${home("user0001")}calendar/mine.ics`);
    const homes = readdirSync(join(server.documents, "calendars/users")).sort();

    const answers = new Map<number, number>();
    let slowest = 0;
    let ending = false;
    const work = async (seat: number): Promise<void> => {
      for (let round = 0; !ending; round++) {
        const name = known[(seat * 7 + round) % known.length]!;
        // A new connection each time: any worker may get it.
        const client = new Client(server, name, 1);
        const begin = performance.now();
        const path = `${home(name)}calendar/`;
        const { status } =
          round % 3 === 0
            ? await client.ask("PROPFIND", path, { body: ctag, headers: { depth: "0" } })
            : round % 3 === 1
              ? await client.ask("GET", `${path}mine.ics`)
              : await client.ask("PUT", `${path}${seat}.ics`, {
                  body: event(`${name}-${seat}`),
                  headers: { "content-type": "text/calendar" },
                });
        slowest = Math.max(slowest, performance.now() - begin);
        answers.set(status, (answers.get(status) ?? 0) + 1);
        client.close();
      }
    };
    const seats = Array.from({ length: 8 }, (_, seat) => work(seat));
    await until("some load", () => (answers.get(200) ?? 0) > 50);
    await slapd.stop();
    const before = answers.get(200) ?? 0;
    await until("load without the directory server", () => (answers.get(200) ?? 0) > before + 100);
    for (const name of ["user1500", "user1501"]) {
      const { status, headers } = await as(name).ask("PROPFIND", home(name), { body: ctag, headers: { depth: "0" } });
      assert.equal(status, 503);
      assert.match(String(headers["retry-after"]), /^\d+$/);
    }
    // A wrong password of somebody known is neither right nor wrong now.
    const guess = Buffer.from("user0001:guess").toString("base64");
    await as(null).expect(503, "GET", `${home("user0001")}calendar/mine.ics`, {
      headers: { authorization: `Basic ${guess}` },
    });
    await as("user0002").expect(200, "GET", `${home("user0001")}calendar/mine.ics`);
    await slapd.start();
    await until("unknown users to sign in again", everyWorkerAsks, 40_000);
    // And hangs.
    slapd.signal("SIGSTOP");
    const answered = (): number => (answers.get(200) ?? 0) + (answers.get(207) ?? 0);
    const hung = answered();
    slowest = 0;
    await until("load while the directory server hangs", () => answered() > hung + 150);
    // Whoever needs what nobody has asked for finds out, once: connecting anew, at most twice the time-out.
    assert.ok(slowest < 5000, `somebody waited ${slowest} ms when the directory server began to hang`);
    slowest = 0;
    const later = answered();
    await until("more load while the directory server hangs", () => answered() > later + 150);
    assert.ok(slowest < 1500, `somebody waited ${slowest} ms while the directory server hung`);
    slapd.signal("SIGCONT");
    ending = true;
    await Promise.all(seats);
    assert.deepEqual(
      [...answers.keys()].filter((status) => status >= 300),
      [],
    );
    const [proxy] = await as("user0001").multistatus(
      "PROPFIND",
      "/principals/users/user0001/calendar-proxy-write/",
      propfind(groupMembers),
      { depth: "0" },
    );
    assert.ok(textOf(proxy!.found.get(groupMembers)!).includes("/principals/"));
    for (const name of homes) assert.ok(readdirSync(join(server.documents, "calendars/users")).includes(name), name);
  });

  test("after a restart without the directory server, who was known is still a principal, and nobody can sign in unchecked", async () => {
    await slapd.stop();
    server = await server.restart();
    // The hash of the password was good for one start.
    await as("user0001").expect(503, "GET", `${home("user0001")}calendar/mine.ics`);
    await slapd.start();
    await until("users to sign in again", everyWorkerAsks, 40_000);
  });

  test("a user who is disabled in an augment file is refused at once, by every worker", async () => {
    await as("user0005").expect(207, "PROPFIND", home("user0005"), { body: ctag, headers: { depth: "0" } });
    const [principal] = await as("user0005").multistatus(
      "PROPFIND",
      "/principals/users/user0005/",
      propfind("{DAV:}resource-id", "{DAV:}principal-URL"),
      { depth: "0" },
    );
    const uid = textOf(principal!.found.get("{DAV:}principal-URL")!).trim().split("/")[3]!;
    await writeFile(
      augments,
      `<augments><record><uid>${uid}</uid><enable-login>false</enable-login></record></augments>`,
    );
    const refused = async (): Promise<boolean> => {
      const answers = await Promise.all(
        Array.from({ length: 8 }, () =>
          as("user0005", 1).ask("PROPFIND", home("user0005"), { body: ctag, headers: { depth: "0" } }),
        ),
      );
      return answers.every(({ status }) => status === 401);
    };
    await until("the user to be refused", refused);
    await writeFile(augments, "<augments></augments>\n");
    await until("the user to be let in again", async () => !(await refused()));
  });

  test("python-caldav works with an account of the directory", async () => {
    const { code, output } = await runProgram(
      "/usr/bin/python3",
      [join(repository, "test/e2e/python-caldav.py"), `${server.url}/`, "user0100", "user0100"],
      { package: "python3-caldav" },
    );
    assert.equal(code, 0, output);
  });

  test("vdirsyncer works with an account of the directory", async () => {
    const pair = await VdirsyncerPair.make(server, "user0101", ["from a"]);
    await mkdir(pair.local("office"));
    await writeFile(pair.local("office/one.ics"), event("one"));
    for (const command of ["discover", "sync"]) await pair.run(command);
    assert.equal(
      (await readdir(join(server.home("user0101"), "office"))).filter((name) => name.endsWith(".ics")).length,
      1,
    );
    await pair.remove();
  });

  let fresh = 1500;
  /** Whether users that nobody has seen can sign in, on several connections: each worker finds out by itself. */
  const everyWorkerAsks = async (): Promise<boolean> => {
    const some = Array.from({ length: 8 }, () => users[fresh++ % users.length]!);
    const answers = await Promise.all(
      some.map((name) => as(name, 1).ask("PROPFIND", home(name), { body: ctag, headers: { depth: "0" } })),
    );
    return answers.every(({ status }) => status === 207);
  };

  const urlOf = async (user: string): Promise<string> => {
    const [principal] = await as(user).multistatus(
      "PROPFIND",
      `/principals/users/${user}/`,
      propfind("{DAV:}principal-URL"),
      { depth: "0" },
    );
    return textOf(principal!.found.get("{DAV:}principal-URL")!).trim();
  };
});
