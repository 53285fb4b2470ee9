import assert from "node:assert/strict";
import { test } from "node:test";
import { bundle } from "../../src/ical/bundle.ts";
import { readCalendar } from "../../src/ical/read.ts";

const zone = (id: string, note: string): string =>
  ["BEGIN:VTIMEZONE", `TZID:${id}`, `X-NOTE:${note}`, "BEGIN:STANDARD", "END:STANDARD", "END:VTIMEZONE"].join("\r\n");
const calendar = (...inside: readonly string[]): string =>
  `${["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", ...inside, "END:VCALENDAR"].join("\r\n")}\r\n`;
const event = (uid: string, ...inside: readonly string[]): string =>
  ["BEGIN:VEVENT", `UID:${uid}`, ...inside, "END:VEVENT"].join("\r\n");

async function bundled(texts: readonly string[], name?: string): Promise<string> {
  const pieces: string[] = [];
  for await (const piece of bundle(texts, { product: "-//test//EN", ...(name === undefined ? {} : { name }) }))
    pieces.push(piece);
  return pieces.join("");
}

test("objects are joined as written, each time zone once", async () => {
  const one = event("1", "SUMMARY:folded", "  line", "BEGIN:VALARM", "END:VALARM");
  const text = await bundled(
    [
      calendar(zone("Europe/Berlin", "first"), one),
      calendar(zone("Europe/Berlin", "second"), zone("Asia/Tokyo", "third"), event("2"), event("2", "RECURRENCE-ID:1")),
    ],
    "Work, home",
  );
  assert.equal(
    text,
    `${[
      "BEGIN:VCALENDAR",
      "VERSION:2.0",
      "PRODID:-//test//EN",
      "X-WR-CALNAME:Work\\, home",
      zone("Europe/Berlin", "first"),
      one,
      zone("Asia/Tokyo", "third"),
      event("2"),
      event("2", "RECURRENCE-ID:1"),
      "END:VCALENDAR",
    ].join("\r\n")}\r\n`,
  );
});

test("a calendar without objects is a calendar", async () => {
  assert.deepEqual(readCalendar(await bundled([])).components, []);
});

test("what texts look like does not matter: LF, marks, small letters, folded or quoted BEGIN lines", async () => {
  const text = await bundled([
    `\ufeff${calendar(event("1"))}`.replaceAll("\r\n", "\n"),
    calendar(event("2")).toLowerCase().trimEnd(),
    calendar(event("3", "DESCRIPTION:x\u2028BEGIN:VEVENT\\nEND:VEVENT")),
    calendar("BEG", " IN:VEVENT", "UID:4", "END:VEVENT"),
    calendar("BEGIN:VTIME", " ZONE", "TZ", " ID:A", "END:VTIMEZONE", event("5")),
    calendar(zone("A", ""), event("6")),
  ]);
  assert.ok(!/[^\r]\n/.test(text));
  const root = readCalendar(text);
  assert.deepEqual(
    root.components.map(({ name, properties }) => `${name} ${properties[0]?.value}`),
    ["VEVENT 1", "VEVENT 2", "VEVENT 3", "VEVENT 4", "VTIMEZONE A", "VEVENT 5", "VEVENT 6"],
  );
});

test("a text that is no calendar is left out, the others are not", async () => {
  const text = await bundled([
    "rubbish",
    calendar(event("1")),
    event("2"),
    calendar("BEGIN:VEVENT"),
    calendar(event("3")),
  ]);
  assert.deepEqual(
    readCalendar(text).components.map(({ properties }) => properties[0]?.value),
    ["1", "3"],
  );
});
