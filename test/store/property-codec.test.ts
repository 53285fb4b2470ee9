import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { attributeOf, decodeValue, encodeValue, propertyOf } from "../../src/store/property-codec.ts";
import { caldav, dav, el, elWith, type QName } from "../../src/xml/element.ts";

test("attribute names are Darwin's, and all its spellings are read", () => {
  const ctag: QName = "{http://calendarserver.org/ns/}getctag";
  assert.equal(attributeOf(ctag), "user.{http:%2F%2Fcalendarserver.org%2Fns%2F}getctag");
  assert.equal(attributeOf("{urn:é}x"), "user.{urn:%C3%A9}x");
  for (const spelling of [
    "user.{http:%2F%2Fcalendarserver.org%2Fns%2F}getctag",
    "user.WebDAV:{http:%2F%2Fcalendarserver.org%2Fns%2F}getctag",
    "WebDAV:{http:%2F%2Fcalendarserver.org%2Fns%2F}getctag",
    "WebDAV:{http:%2F%2Fcalendarserver.org%2Fns/}getctag",
    "user.CS:getctag",
  ])
    assert.equal(propertyOf(spelling), ctag, spelling);
  for (const other of ["user.mime_type", "security.selinux", "user.user03{DAV:}displayname", "user.{DAV:}", "user.%zz"])
    assert.equal(propertyOf(other), undefined, other);
});

test("values are deflated XML, and plain XML of the first servers is read", () => {
  const value = elWith(
    caldav("calendar-description"),
    { "{http://www.w3.org/XML/1998/namespace}lang": "en" },
    "A & <é>\r\n",
  );
  assert.deepEqual(decodeValue(value.name, encodeValue(value)), value);
  assert.deepEqual(
    decodeValue(
      dav("displayname"),
      Buffer.from("<?xml version='1.0' encoding='UTF-8'?><displayname xmlns='DAV:'>Lab é</displayname>"),
    ),
    el(dav("displayname"), "Lab é"),
  );
  assert.throws(() => decodeValue(dav("displayname"), Buffer.from("rubbish")));
  assert.throws(() => decodeValue(dav("displayname"), deflateSync("rubbish")));
});

// Python is what wrote these; its own pickles of classes with the original's names are the fixture.
const pickled = (protocol: number): Buffer =>
  Buffer.from(
    execFileSync("/usr/bin/python3", [
      "-c",
      `
import sys, types, pickle
def module(name):
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        m = types.ModuleType(".".join(parts[:end])); m.__path__ = []; sys.modules.setdefault(m.__name__, m)
    return sys.modules[name]
base = module("twisted.web2.dav.element.rfc2518"); cal = module("twistedcaldav.caldavxml")
def cls(m, name):
    c = type(name, (object,), {"__module__": m.__name__}); setattr(m, name, c); return c
def make(c, *children, **state):
    o = c(); o.__dict__.update(state); o.children = list(children); o.attributes = {}; return o
PCDATA = cls(base, "PCDATAElement")
def text(s):
    o = PCDATA(); o.data = s; return o
top = make(cls(cal, "CalendarFreeBusySet"), make(cls(base, "HRef"), text("/calendars/__uids__/A/calendar")), make(cls(cal, "ScheduleInbox")))
sys.stdout.buffer.write(pickle.dumps(top, ${protocol}))
`,
    ]),
  );

for (const protocol of [0, 1, 2])
  test(`pickles of protocol ${protocol} are read, deflated or not, without running anything`, () => {
    const name = caldav("calendar-free-busy-set");
    const expected = el(name, el(dav("href"), "/calendars/__uids__/A/calendar"), el(caldav("schedule-inbox")));
    assert.deepEqual(decodeValue(name, pickled(protocol)), expected);
    assert.deepEqual(decodeValue(name, deflateSync(pickled(protocol))), expected);
  });

test("a pickle that would call something is refused", () => {
  const evil = Buffer.from("cos\nsystem\n(S'true'\ntR.");
  assert.throws(() => decodeValue(dav("displayname"), evil));
});
