import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import type { DirectoryBackend } from "../../src/directory/backend.ts";
import { DirectoryUnavailable } from "../../src/directory/unavailable.ts";
import { normaliseAddress, type Principal } from "../../src/model/principal.ts";
import { freePort, until } from "../support/server.ts";
import { beginning, groupDn, groupOf, person, personDn, type Slapd, withoutSlapd } from "../support/slapd.ts";
import { atEnd, namesIn, type Opened, open, serverWith } from "./ldap-support.ts";

const ldif = [
  beginning("people", "groups"),
  person("ann"),
  person("bob"),
  person("cora", { employeeType: "gone" }),
  groupOf("staff", [personDn("ann"), groupDn("managers")]),
  groupOf("managers", [personDn("bob"), groupDn("staff")]),
].join("\n");

async function given(settings: Parameters<typeof open>[1] = {}): Promise<Opened & { readonly server: Slapd }> {
  const server = await serverWith({ ldif });
  const opened = await open(server, settings);
  return { ...opened, server };
}

const user = async (backend: DirectoryBackend, name: string): Promise<Principal> => {
  const found = await backend.byShortName("users", name);
  assert.ok(found !== undefined, `${name} is a user`);
  return found;
};

const took = async (work: Promise<unknown>): Promise<number> => {
  const begin = performance.now();
  await work.catch(() => {});
  return performance.now() - begin;
};

describe("a directory behind LDAP that changes", { skip: withoutSlapd }, () => {
  test("a renamed user keeps the GUID, signs in under the old entry's memory, and is found by the new name only", async () => {
    const { backend, server, clock } = await given();
    const ann = await user(backend, "ann");
    assert.equal(await backend.verifyPassword!(ann, "ann"), true);
    const generation = backend.generation();
    await server.modify(`dn: ${personDn("ann")}\nchangetype: modrdn\nnewrdn: uid=anna\ndeleteoldrdn: 1\n`);
    // The password was right a moment ago; another one has to be checked, under the entry's new name.
    assert.equal(await backend.verifyPassword!(ann, "wrong"), false);
    assert.equal(await backend.verifyPassword!(ann, "ann"), true);
    clock.now += 121_000;
    assert.equal((await user(backend, "anna")).uid, ann.uid);
    assert.equal(await backend.byShortName("users", "ann"), undefined);
    assert.equal((await backend.byUid(ann.uid))?.shortName, "anna");
    assert.notEqual(backend.generation(), generation);
  });

  test("a disabled user stays a principal and cannot sign in, not even with a password found right before", async () => {
    const { backend, server, clock } = await given({
      overrides: { below: {}, filters: {}, attributes: { disabled: ["employeeType"] } },
    });
    assert.equal(await backend.verifyPassword!(await user(backend, "cora"), "cora"), false);
    const bob = await user(backend, "bob");
    assert.equal(await backend.verifyPassword!(bob, "bob"), true);
    assert.equal(await backend.maySignIn!(bob), true);
    await server.modify(`dn: ${personDn("bob")}\nchangetype: modify\nadd: employeeType\nemployeeType: suspended\n`);
    clock.now += 121_000;
    assert.equal((await user(backend, "bob")).uid, bob.uid);
    assert.equal(await backend.verifyPassword!(bob, "bob"), false);
    assert.equal(await backend.maySignIn!(bob), false);
  });

  test("a new user is found when absence is no longer believed, a deleted one is gone when presence is not", async () => {
    const { backend, server, clock } = await given();
    assert.equal(await backend.byShortName("users", "dan"), undefined);
    const ann = await user(backend, "ann");
    await server.modify(
      `${person("dan").replace("\n", "\nchangetype: add\n")}\ndn: ${personDn("ann")}\nchangetype: delete\n`,
    );
    clock.now += 4_000;
    assert.equal(await backend.byShortName("users", "dan"), undefined);
    const generation = backend.generation();
    clock.now += 1_000;
    assert.equal((await user(backend, "dan")).fullName, "dan Example");
    assert.notEqual(backend.generation(), generation);
    assert.equal((await backend.byUid(ann.uid))?.uid, ann.uid);
    clock.now += 121_000;
    assert.equal(await backend.byUid(ann.uid), undefined);
    assert.equal(await backend.byAddress(normaliseAddress("mailto:ann@example.com")), undefined);
  });

  test("a membership that changes is seen, and the generation says so", async () => {
    const { backend, server, clock } = await given();
    const bob = await user(backend, "bob");
    const managers = (await backend.byShortName("groups", "managers"))!;
    assert.deepEqual(await backend.groupUids(bob.uid), [managers.uid]);
    await server.modify(`dn: ${groupDn("staff")}\nchangetype: modify\nadd: member\nmember: ${personDn("bob")}\n`);
    clock.now += 61_000;
    const generation = backend.generation();
    assert.deepEqual(await backend.groupUids(bob.uid), [managers.uid]);
    await until("the new membership", async () => (await backend.groupUids(bob.uid)).length === 2);
    assert.notEqual(backend.generation(), generation);
  });

  test("only members of a group, nested ones too, have calendars when the configuration says so", async () => {
    const { backend } = await given({ restrictToGroup: "staff" });
    assert.equal((await user(backend, "ann")).calendaring, true);
    assert.equal((await user(backend, "bob")).calendaring, true);
    assert.equal((await user(backend, "cora")).calendaring, false);
    const enabled: string[] = [];
    for await (const principal of backend.list("users")) if (principal.calendaring) enabled.push(principal.shortName);
    assert.deepEqual(enabled.sort(), ["ann", "bob"]);
  });
});

describe("a directory server that fails", { skip: withoutSlapd }, () => {
  test("while it is down, what is remembered works, the rest is unavailable, and it is used again when it is back", async () => {
    const { backend, server, clock, warnings } = await given();
    const ann = await user(backend, "ann");
    assert.equal(await backend.verifyPassword!(ann, "ann"), true);
    const groups = await backend.groupUids(ann.uid);
    await server.stop();
    // Long past its time: it is asked for, in vain.
    clock.now += 600_000;
    assert.equal((await user(backend, "ann")).uid, ann.uid);
    assert.equal((await backend.byAddress(normaliseAddress(`urn:uuid:${ann.uid}`)))?.uid, ann.uid);
    assert.deepEqual(await backend.groupUids(ann.uid), groups);
    assert.equal(await backend.verifyPassword!(ann, "ann"), true);
    assert.equal(await backend.verifyPassword!(ann, "guess"), "unavailable");
    await assert.rejects(backend.byShortName("users", "bob"), (error: unknown) => {
      assert.ok(error instanceof DirectoryUnavailable);
      assert.equal(error.status, 503);
      assert.match(String(error.headers["retry-after"]), /^[1-9]\d*$/);
      return true;
    });
    await assert.rejects(namesIn(backend.list("users")), DirectoryUnavailable);
    assert.ok(warnings.some((line) => line.includes("cannot be used")));
    // Not after a day.
    clock.now += 3_600_000;
    await assert.rejects(backend.byShortName("users", "ann"), DirectoryUnavailable);

    await server.start();
    await until("the server to be used again", () => backend.byShortName("users", "bob").catch(() => undefined));
    assert.equal((await user(backend, "ann")).uid, ann.uid);
    assert.equal(await backend.verifyPassword!(ann, "ann"), true);
    assert.ok(warnings.some((line) => line.includes("works again")));
  });

  test("a server that hangs keeps nobody waiting: those who are remembered not at all, others once", async () => {
    const { backend, server, clock } = await given({ timeout: 500 });
    const ann = await user(backend, "ann");
    server.signal("SIGSTOP");
    clock.now += 61_000;
    assert.ok((await took(user(backend, "ann"))) < 100);
    assert.ok((await took(backend.byShortName("users", "bob"))) < 2500);
    // By now it is known.
    assert.ok((await took(backend.byShortName("users", "cora"))) < 100);
    assert.ok((await took(namesIn(backend.list("users")))) < 100);
    assert.equal(await backend.verifyPassword!(ann, "ann"), "unavailable");
    server.signal("SIGCONT");
    await until("the server to be used again", () => backend.byShortName("users", "bob").catch(() => undefined));
  });

  test("the next server is asked when the first is away, hangs, or is not a directory server at all", async () => {
    const { server } = await given();
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    const strange = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0, "127.0.0.1");
    atEnd(async () => {
      silent.close();
      strange.close();
    });
    const portOf = (listener: typeof silent): number => (listener.address() as { port: number }).port;
    for (const port of [await freePort(), portOf(silent), portOf(strange)]) {
      const { backend } = await open(server, { servers: [`ldap://127.0.0.1:${port}`, server.url], timeout: 500 });
      assert.equal((await user(backend, "ann")).shortName, "ann");
      assert.equal(await backend.verifyPassword!(await user(backend, "bob"), "bob"), true);
    }
  });

  test("the preferred server is used again when it is back", async () => {
    const { server } = await given();
    const other = await serverWith({ ldif: [beginning("people"), person("ann", { cn: "The other Ann" })].join("\n") });
    const { backend, clock } = await open(server, { servers: [other.url, server.url] });
    assert.equal((await user(backend, "ann")).fullName, "The other Ann");
    await other.stop();
    clock.now += 200_000;
    assert.equal((await user(backend, "ann")).fullName, "ann Example");
    await other.start();
    await until("the first server to be asked", async () => {
      clock.now += 200_000;
      return (await user(backend, "ann")).fullName === "The other Ann";
    });
  });

  test("a wrong password of the searcher is told in the log, and nobody is believed to be gone", async () => {
    const { backend, warnings } = await given({ bindPassword: "wrong" });
    await assert.rejects(backend.byShortName("users", "ann"), DirectoryUnavailable);
    assert.ok(warnings.some((line) => /cannot be used/.test(line)));
  });

  test("a base that was there and is gone means that the directory is being rebuilt", async () => {
    const { backend, server, clock } = await given();
    const ann = await user(backend, "ann");
    await server.modify(
      ["ann", "bob", "cora"].map((name) => `dn: ${personDn(name)}\nchangetype: delete\n`).join("\n") +
        ["staff", "managers"].map((name) => `\ndn: ${groupDn(name)}\nchangetype: delete\n`).join("") +
        ["people", "groups"].map((name) => `\ndn: ou=${name},dc=example,dc=com\nchangetype: delete\n`).join("") +
        "\ndn: cn=reader,dc=example,dc=com\nchangetype: delete\n\ndn: dc=example,dc=com\nchangetype: delete\n",
    );
    clock.now += 121_000;
    assert.equal((await user(backend, "ann")).uid, ann.uid);
    await assert.rejects(backend.byShortName("users", "bob"), DirectoryUnavailable);
  });
});
