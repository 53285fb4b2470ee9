import assert from "node:assert/strict";
import { test } from "node:test";
import { type Ace, ace, principal, type Who } from "../../src/acl/ace.ts";
import { type Asker, evaluate } from "../../src/acl/evaluate.ts";
import { expand, privilegeTree, supportedPrivileges, visiblePrivileges } from "../../src/acl/privileges.ts";
import type { PrincipalUid } from "../../src/model/ids.ts";
import { type Privilege, privileges } from "../../src/model/privilege.ts";

const uid = (text: string): PrincipalUid => text as PrincipalUid;
const alice: Asker = { identities: new Set([uid("alice"), uid("staff")]), owner: false, self: false };
const nobody: Asker = { identities: new Set(), owner: false, self: false };
const toAlice = principal(uid("alice"));
const toStaff = principal(uid("staff"));
const toBob = principal(uid("bob"));
const grant = (who: Who, ...what: Privilege[]): Ace => ace(who, true, what);
const deny = (who: Who, ...what: Privilege[]): Ace => ace(who, false, what);

/** The privileges out of `of` that the asker holds. */
const held = (aces: readonly Ace[], asker: Asker, ...of: Privilege[]): readonly Privilege[] => {
  const all = evaluate(aces, asker);
  return of.filter((privilege) => all.has(privilege));
};

test("who an ACE is about: a truth table", () => {
  const everyone: [name: string, asker: Asker][] = [
    ["alice", alice],
    ["owner", { ...alice, owner: true }],
    ["self", { ...alice, self: true }],
    ["named", { ...alice, properties: new Set(["{DAV:}group" as const]) }],
    ["nobody", nobody],
  ];
  const rows: [who: Who, matched: string][] = [
    [toAlice, "alice owner self named"],
    [toStaff, "alice owner self named"],
    [toBob, ""],
    [{ kind: "all" }, "alice owner self named nobody"],
    [{ kind: "authenticated" }, "alice owner self named"],
    [{ kind: "unauthenticated" }, "nobody"],
    [{ kind: "owner" }, "owner"],
    [{ kind: "self" }, "self"],
    [{ kind: "property", property: "{DAV:}group" }, "named"],
    [{ kind: "property", property: "{DAV:}other" }, ""],
  ];
  for (const [who, matched] of rows)
    for (const [name, asker] of everyone) {
      const is = matched.split(" ").includes(name);
      const about = JSON.stringify(who);
      assert.equal(evaluate([grant(who, "read")], asker).has("read"), is, `${about} ${name}`);
      assert.equal(
        evaluate([ace(who, true, ["read"], { invert: true })], asker).has("read"),
        !is,
        `not ${about} ${name}`,
      );
    }
});

test("for each privilege the first ACE that names it decides; none means no", () => {
  const rows: [aces: readonly Ace[], held: readonly Privilege[]][] = [
    [[], []],
    [[grant(toAlice, "read")], ["read"]],
    [[deny(toAlice, "read"), grant(toAlice, "read")], []],
    [[grant(toAlice, "read"), deny(toAlice, "read")], ["read"]],
    [[deny(toBob, "read"), grant(toAlice, "read")], ["read"]],
    [[deny(toAlice, "bind"), grant(toStaff, "write")], ["unbind"]],
    [[grant(toStaff, "write")], ["write", "bind", "unbind"]],
    [[deny(toStaff, "write"), grant(toAlice, "all")], ["read"]],
    [
      [grant(toAlice, "bind"), deny(toAlice, "write"), grant(toAlice, "all")],
      ["read", "bind"],
    ],
    [[grant({ kind: "all" }, "read"), deny({ kind: "authenticated" }, "all")], ["read"]],
    [[deny({ kind: "unauthenticated" }, "all"), grant({ kind: "all" }, "read")], ["read"]],
  ];
  for (const [aces, expected] of rows)
    assert.deepEqual(held(aces, alice, "read", "write", "bind", "unbind"), expected, JSON.stringify(aces));
});

test("an aggregate holds when all its parts do, however they were granted", () => {
  assert.deepEqual(
    held(
      [grant(toAlice, "write-content", "write-properties"), grant(toStaff, "bind", "unbind")],
      alice,
      "write",
      "all",
    ),
    ["write"],
  );
  assert.deepEqual(
    held([grant(toAlice, "schedule-deliver-invite", "schedule-deliver-reply")], alice, "schedule-deliver"),
    [],
  );
  assert.equal(evaluate([grant(toAlice, "all")], alice).size, privileges.length);
});

test("reading includes busy time, but busy time is not reading, and losing it is no end of reading", () => {
  assert.deepEqual(held([grant(toAlice, "read")], alice, "read", "read-free-busy"), ["read", "read-free-busy"]);
  assert.deepEqual(held([grant(toAlice, "read-free-busy")], alice, "read", "read-free-busy"), ["read-free-busy"]);
  assert.deepEqual(held([deny(toAlice, "read-free-busy"), grant(toAlice, "read")], alice, "read", "read-free-busy"), [
    "read",
  ]);
});

test("writing does not include the ACL, nor does deliver include send", () => {
  assert.deepEqual(
    held(
      [grant(toAlice, "write", "schedule-deliver")],
      alice,
      "write-acl",
      "read-acl",
      "unlock",
      "schedule-send",
      "schedule",
    ),
    [],
  );
});

test("aggregates expand downwards", () => {
  assert.deepEqual([...expand("write")].sort(), ["bind", "unbind", "write", "write-content", "write-properties"]);
  assert.deepEqual([...expand("read")].sort(), ["read", "read-free-busy"]);
  assert.deepEqual([...expand("bind")], ["bind"]);
  assert.deepEqual([...expand("all")].sort(), [...privileges].sort());
});

test("the tree of a calendar has busy time and no scheduling; inbox and outbox the other way round", () => {
  const calendar = supportedPrivileges(privilegeTree({ freeBusy: true, scheduling: "none" }));
  const inbox = supportedPrivileges(privilegeTree({ freeBusy: false, scheduling: "inbox" }));
  const outbox = supportedPrivileges(privilegeTree({ freeBusy: false, scheduling: "outbox" }));
  const rows: [Privilege, boolean, boolean, boolean][] = [
    ["all", true, true, true],
    ["write-acl", true, true, true],
    ["read-free-busy", true, false, false],
    ["schedule", false, true, true],
    ["schedule-deliver-invite", false, true, false],
    ["schedule-send-freebusy", false, false, true],
  ];
  for (const [privilege, ...where] of rows)
    assert.deepEqual(
      [calendar, inbox, outbox].map((tree) => tree.has(privilege)),
      where,
      privilege,
    );
});

test("an owner sees only the privileges that the resource knows, aggregates and parts", () => {
  const tree = privilegeTree({ freeBusy: true, scheduling: "none" });
  const owner = evaluate([grant(toAlice, "all")], alice);
  assert.deepEqual(visiblePrivileges(owner, tree), [
    "all",
    "read",
    "read-free-busy",
    "write",
    "write-properties",
    "write-content",
    "bind",
    "unbind",
    "unlock",
    "read-acl",
    "write-acl",
    "read-current-user-privilege-set",
  ]);
});
