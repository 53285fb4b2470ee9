import assert from "node:assert/strict";
import { test } from "node:test";
import { type Ace, ace, parseProxyUid, principal, proxyUid } from "../../src/acl/ace.ts";
import { replaceAcl } from "../../src/acl/change.ts";
import {
  type AclPlace,
  type AclSettings,
  defaultAces,
  effectiveAces,
  handedDown,
  withStored,
} from "../../src/acl/defaults.ts";
import { type Asker, evaluate } from "../../src/acl/evaluate.ts";
import { privilegeTree, supportedPrivileges } from "../../src/acl/privileges.ts";
import type { Href, PrincipalUid } from "../../src/model/ids.ts";
import type { Privilege } from "../../src/model/privilege.ts";

const uid = (text: string): PrincipalUid => text as PrincipalUid;
const owner = uid("owner");
const settings: AclSettings = {
  admins: [uid("admin")],
  readers: [uid("reader")],
  anonymousReadRoot: true,
  anonymousReadNav: false,
  proxies: true,
};
const asker = (...identities: string[]): Asker => ({
  identities: new Set(identities.map(uid)),
  owner: identities.includes("owner"),
  self: false,
});
const people: Record<string, Asker> = {
  owner: asker("owner"),
  other: asker("other"),
  admin: asker("admin"),
  reader: asker("reader"),
  "read proxy": asker("helper", proxyUid(owner, "read")),
  "write proxy": asker("deputy", proxyUid(owner, "write")),
  nobody: asker(),
};

const root = { href: "/" as Href, aces: defaultAces("root", settings) };
const home = { href: "/calendars/__uids__/owner/" as Href, aces: defaultAces("home", settings, owner) };

/** The ACEs in force at a place, nothing stored. */
const at = (place: AclPlace): readonly Ace[] =>
  place === "root"
    ? root.aces
    : place === "inside" || place === "inbox" || place === "outbox"
      ? effectiveAces(defaultAces(place, settings, owner), [home, root])
      : effectiveAces(defaultAces(place, settings, owner), [root]);

/** "r" read, "w" write, "f" read-free-busy, "a" write-acl, "A" read-acl, "p" read-current-user-privilege-set,
 *  "P" write-properties, "d" schedule-deliver, "s" schedule-send, "*" all. */
const letters: [letter: string, privilege: Privilege][] = [
  ["r", "read"],
  ["w", "write"],
  ["f", "read-free-busy"],
  ["a", "write-acl"],
  ["A", "read-acl"],
  ["p", "read-current-user-privilege-set"],
  ["P", "write-properties"],
  ["d", "schedule-deliver"],
  ["s", "schedule-send"],
  ["*", "all"],
];
const summary = (aces: readonly Ace[], who: Asker): string => {
  const held = evaluate(aces, who);
  if (held.has("all")) return "*";
  return letters.map(([letter, privilege]) => (held.has(privilege) ? letter : "")).join("");
};

test("who may do what, by default, where: the table of Calendar Server 2.4", () => {
  const table: Record<AclPlace, Record<string, string>> = {
    root: {
      owner: "rfp",
      other: "rfp",
      admin: "*",
      reader: "rfp",
      "read proxy": "rfp",
      "write proxy": "rfp",
      nobody: "rfp",
    },
    principals: {
      owner: "rfp",
      other: "rfp",
      admin: "*",
      reader: "rfp",
      "read proxy": "rfp",
      "write proxy": "rfp",
      nobody: "",
    },
    "proxy-group": {
      owner: "rfpP",
      other: "rfp",
      admin: "*",
      reader: "rfp",
      "read proxy": "rfp",
      "write proxy": "rfp",
      nobody: "",
    },
    navigation: {
      owner: "rfp",
      other: "rfp",
      admin: "*",
      reader: "rfp",
      "read proxy": "rfp",
      "write proxy": "rfp",
      nobody: "",
    },
    home: {
      owner: "*",
      other: "f",
      admin: "*",
      reader: "rfp",
      "read proxy": "rfp",
      "write proxy": "rwfpP",
      nobody: "",
    },
    // For a group the owner's row is that of its members: all but setting rights.
    "group-home": {
      owner: "rwfpPs",
      other: "f",
      admin: "*",
      reader: "rfp",
      "read proxy": "rfp",
      "write proxy": "rwfpP",
      nobody: "",
    },
    inside: {
      owner: "*",
      other: "f",
      admin: "*",
      reader: "rfp",
      "read proxy": "rfp",
      "write proxy": "rwfpP",
      nobody: "",
    },
    inbox: {
      owner: "*",
      other: "fd",
      admin: "*",
      reader: "rfpd",
      "read proxy": "rfpd",
      "write proxy": "rwfpPd",
      nobody: "",
    },
    outbox: {
      owner: "*",
      other: "f",
      admin: "*",
      reader: "rfp",
      "read proxy": "rfp",
      "write proxy": "rwfpPs",
      nobody: "",
    },
  };
  for (const [place, row] of Object.entries(table))
    for (const [name, expected] of Object.entries(row))
      assert.equal(summary(at(place as AclPlace), people[name] ?? asker()), expected, `${name} at ${place}`);
});

test("without anonymous reading the root needs a sign-in; without proxies there are none", () => {
  const closed = { ...settings, anonymousReadRoot: false, anonymousReadNav: true, proxies: false };
  assert.equal(summary(defaultAces("root", closed), asker()), "");
  assert.equal(summary(defaultAces("navigation", closed), asker()), "rfp");
  assert.equal(summary(defaultAces("home", closed, owner), people["write proxy"] ?? asker()), "f");
  assert.deepEqual(defaultAces("outbox", closed, owner), []);
});

test("own ACEs come before inherited ones, and inherited ones say where from", () => {
  const calendar = "/calendars/__uids__/owner/calendar/" as Href;
  const own = [ace({ kind: "authenticated" }, false, ["read-free-busy"], { inheritable: true })];
  const inCalendar = effectiveAces(own, [home, root]);
  assert.equal(summary(inCalendar, people["other"] ?? asker()), "");
  const inObject = effectiveAces([], [{ href: calendar, aces: own }, home, root]);
  assert.equal(summary(inObject, people["other"] ?? asker()), "");
  assert.equal(summary(inObject, people["owner"] ?? asker()), "rwaApPds");
  assert.deepEqual(
    inObject.map((entry) => entry.inherited),
    [calendar, ...Array(6).fill(home.href), "/"],
  );
  assert.deepEqual(handedDown([ace({ kind: "all" }, true, ["read"])], calendar), []);
});

test("a stored ACL replaces the unprotected defaults and keeps the protected ones", () => {
  const stored = [ace(principal(uid("friend")), true, ["read"])];
  const aces = withStored(home.aces, stored);
  assert.equal(summary(aces, people["other"] ?? asker()), "");
  assert.equal(summary(aces, asker("friend")), "rf");
  assert.equal(summary(aces, people["owner"] ?? asker()), "*");
  assert.equal(withStored(home.aces, undefined), home.aces);
});

test("proxy groups have uids like the original's, and are read back", () => {
  assert.equal(proxyUid(owner, "write"), "owner#calendar-proxy-write");
  assert.deepEqual(parseProxyUid(proxyUid(uid("a#b"), "read")), { owner: "a#b", access: "read" });
  assert.equal(parseProxyUid(owner), undefined);
});

test("an ACL request keeps what is protected and drops all else", () => {
  const supported = supportedPrivileges(privilegeTree({ freeBusy: true, scheduling: "none" }));
  const fixed = ace(principal(uid("boss")), true, ["read"], { protected: true });
  const old = ace(principal(uid("former")), true, ["read"]);
  const wanted = ace(principal(uid("friend")), true, ["read", "write"]);
  const current = effectiveAces([fixed, old], [home]);
  assert.deepEqual(replaceAcl(current, [wanted], owner, supported, true), {
    aces: [fixed, { ...wanted, inheritable: true }],
  });
  assert.deepEqual(replaceAcl(current, [], owner, supported, false), { aces: [fixed] });
});

test("conflicts of an ACL request are named as in RFC 3744 §8.1.1", () => {
  const supported = supportedPrivileges(privilegeTree({ freeBusy: true, scheduling: "none" }));
  const current = effectiveAces([], [home]);
  const friend = principal(uid("friend"));
  const rows: [requested: Ace, conflict: string][] = [
    [ace(friend, true, ["read"], { protected: true }), "no-ace-conflict"],
    [ace(friend, true, ["read"], { inherited: home.href }), "no-ace-conflict"],
    [ace(principal(uid("admin")), false, ["write-acl"]), "no-protected-ace-conflict"],
    [ace(principal(owner), false, ["write-acl"]), "no-protected-ace-conflict"],
    [ace({ kind: "owner" }, false, ["write-acl"]), "no-protected-ace-conflict"],
    [ace(friend, true, ["schedule"]), "not-supported-privilege"],
    [ace({ kind: "unknown", href: "/principals/users/gone/" }, true, ["read"]), "recognized-principal"],
    [ace({ kind: "self" }, true, ["read"]), "allowed-principal"],
  ];
  for (const [requested, conflict] of rows)
    assert.deepEqual(replaceAcl(current, [requested], owner, supported, false), { conflict, about: requested });
  // Inverted, it is about everybody else, and no conflict.
  assert.ok(
    "aces" in replaceAcl(current, [ace(principal(owner), false, ["read"], { invert: true })], owner, supported, false),
  );
  assert.deepEqual(replaceAcl([], Array(1001).fill(ace(friend, true, ["read"])), owner, supported, false), {
    conflict: "limited-number-of-aces",
    about: undefined,
  });
});
