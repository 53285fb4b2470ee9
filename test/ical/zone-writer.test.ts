import assert from "node:assert/strict";
import { test } from "node:test";
import { writeComponent } from "../../src/ical/write.ts";
import { zoneChanges } from "../../src/ical/zone-changes.ts";
import { sourceLinks, sourceName, sourceRelease, sourceZones } from "../../src/ical/zone-source.ts";
import { definitionFor, formatOffset, zoneDefinition, zoneObservances } from "../../src/ical/zone-writer.ts";
import { ianaZone, zoneNames, zoneOfComponent, zoneRelease } from "../../src/ical/zones.ts";
import { utc } from "../../src/model/ids.ts";

const at = (text: string) => utc(Date.parse(text) / 1000);
const from1900 = at("1900-01-01T00:00:00Z");
const to2100 = at("2099-12-31T00:00:00Z");

test("the source has every zone and link that the server reads", () => {
  assert.deepEqual([...sourceZones(), ...sourceLinks().keys()].sort(), zoneNames());
  assert.equal(sourceRelease, zoneRelease, "zones.txt and tzdata.zi are of one release: run scripts/make-zones.mjs");
});

test("a written definition has the zone's offset around each of its changes, 1900 to 2100, in all zones", () => {
  const problems: string[] = [];
  let asked = 0;
  for (const name of zoneNames()) {
    const written = zoneOfComponent(zoneDefinition(name)!);
    const zone = ianaZone(name)!;
    const changes = zoneChanges(sourceName(name)!, 2100, "zic").map((change) => change.at);
    for (const change of [from1900, ...changes, to2100])
      for (const instant of [change - 1, change, change + 1, change + 3600, change + 90 * 86_400]) {
        if (instant < from1900 || instant > to2100) continue;
        asked++;
        const [found, expected] = [written.offsetAt(utc(instant)), zone.offsetAt(utc(instant))];
        if (found !== expected)
          problems.push(`${name} ${new Date(instant * 1000).toISOString()}: ${found}, the zone has ${expected}`);
      }
  }
  assert.deepEqual(problems.slice(0, 20), []);
  assert.ok(asked > 300_000, `${asked}`);
});

test("a definition cut at both ends holds inside, begins with what was in force and says where it ends", () => {
  const [start, end] = [at("2010-01-01T00:00:00Z"), at("2020-01-01T00:00:00Z")];
  for (const name of ["America/New_York", "Africa/Cairo", "Europe/Dublin", "Asia/Kolkata", "Africa/Casablanca"]) {
    const definition = zoneDefinition(name, { start, end })!;
    assert.equal(definition.properties.find((property) => property.name === "TZUNTIL")?.value, "20200101T000000Z");
    const written = zoneOfComponent(definition);
    for (let instant = start; instant < end; instant = utc(instant + 86_400))
      assert.equal(written.offsetAt(instant), ianaZone(name)?.offsetAt(instant), `${name} ${instant}`);
  }
  // The example of RFC 7808 §5.3.4, but that its DTSTART is a year too late.
  assert.match(
    writeComponent(zoneDefinition("America/New_York", { start, end })!),
    /BEGIN:STANDARD\r\nDTSTART:20091231T190000\r\nRDATE:20091231T190000\r\nTZNAME:EST\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0500/,
  );
});

test("a rule whose days lie in two months is written as one for each", () => {
  // Egypt: midnight after the last Thursday of October.
  const text = writeComponent(zoneDefinition("Africa/Cairo")!);
  assert.match(text, /RRULE:FREQ=YEARLY;BYDAY=FR;BYMONTHDAY=26,27,28,29,30,31;BYMONTH=10\r\n/);
  assert.match(text, /DTSTART:20241101T000000\r\nRRULE:FREQ=YEARLY;BYDAY=FR;BYMONTHDAY=1;BYMONTH=11\r\n/);
});

test("names are those of zic; Irish winter is standard time", () => {
  const observed = zoneObservances("Europe/Dublin", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
  assert.deepEqual(
    observed?.map(({ name, to }) => `${name} ${formatOffset(to)}`),
    ["GMT +0000", "IST +0100", "GMT +0000"],
  );
  assert.match(writeComponent(zoneDefinition("Europe/Dublin")!), /BEGIN:DAYLIGHT(?:(?!END:).)*TZNAME:IST/s);
  const phoenix = zoneObservances("America/Phoenix", at("2006-01-01T00:00:00Z"), at("2009-01-01T00:00:00Z"));
  assert.equal(phoenix?.length, 1);
});

test("a link and a name of Windows get a definition under their own name", () => {
  assert.match(writeComponent(zoneDefinition("GB")!), /TZID:GB\r\nTZID-ALIAS-OF:Europe\/London\r\n/);
  assert.equal(zoneDefinition("W. Europe Standard Time"), undefined);
  assert.match(writeComponent(definitionFor("W. Europe Standard Time")!), /TZID:W. Europe Standard Time\r\n/);
  assert.equal(definitionFor("Mars/Olympus"), undefined);
});
