import assert from "node:assert/strict";
import { test } from "node:test";
import { made, mapProperties, replaceChild, withParameter, withValue } from "../../src/ical/edit.ts";
import { readCalendar } from "../../src/ical/read.ts";
import { writeKept } from "../../src/ical/write-kept.ts";

const text = [
  "BEGIN:VCALENDAR",
  "VERSION:2.0",
  "begin:vevent",
  "dtstart;tzid=Europe/Berlin:20260105T120000",
  "SUMMARY:folded after these words as no server would,",
  "  and here again",
  "\tby a tab",
  'ATTENDEE;CN="Bob";X-ODD="1":mailto:bob@example.com',
  "X-LAST:1",
  "END:VEVENT",
  "END:VCALENDAR",
  "",
].join("\r\n");

test("an edit changes no line but the one it is about, folds and spelling included", () => {
  const root = readCalendar(text);
  const [event] = root.components;
  assert.ok(event);
  const edited = mapProperties(event, (property) =>
    property.name === "ATTENDEE" ? withParameter(property, "PARTSTAT", "ACCEPTED") : property,
  );
  const written = writeKept(replaceChild(root, event, edited), [{ text, root }]);
  const expected = text
    .replace("begin:vevent", "BEGIN:VEVENT")
    .replace('ATTENDEE;CN="Bob";X-ODD="1":', "ATTENDEE;CN=Bob;X-ODD=1;PARTSTAT=ACCEPTED:");
  assert.equal(written, expected);
});

test("lines of two sources keep the bytes of each", () => {
  const root = readCalendar(text);
  const other = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nX-OTHER:a\n b\nEND:VEVENT\nEND:VCALENDAR\n";
  const second = readCalendar(other);
  const joined = { ...root, components: [...root.components, ...second.components] };
  const written = writeKept(joined, [
    { text, root },
    { text: other, root: second },
  ]);
  assert.ok(written.includes("X-OTHER:a\n b\n"));
  assert.ok(
    written.includes("SUMMARY:folded after these words as no server would,\r\n  and here again\r\n\tby a tab\r\n"),
  );
});

test("a text of LF alone stays one, new lines included", () => {
  const unix = text.replaceAll("\r\n", "\n");
  const root = readCalendar(unix);
  const [event] = root.components;
  assert.ok(event);
  const written = writeKept(replaceChild(root, event, withValue(event, "SEQUENCE", "1")), [{ text: unix, root }]);
  assert.equal(written.includes("\r"), false);
  assert.ok(written.includes("\nSEQUENCE:1\n"));
});

test("a byte order mark and a missing last line end do no harm", () => {
  const odd = `\ufeff${text.trimEnd()}`;
  const root = readCalendar(odd);
  assert.equal(
    writeKept({ ...root, properties: [...root.properties, made("X", "1")] }, [{ text: odd, root }]),
    text.replace("begin:vevent", "BEGIN:VEVENT").replace("VERSION:2.0\r\n", "VERSION:2.0\r\nX:1\r\n"),
  );
});

test("a tree whose lines are not those of the text is written anew, never one property for another", () => {
  const root = readCalendar(text);
  const shifted = text.replace("VERSION:2.0\r\n", "X-NEW:1\r\nVERSION:2.0\r\n");
  const written = writeKept(root, [{ text: shifted, root }]);
  assert.deepEqual(
    readCalendar(written).components[0]?.properties.map(({ name, value }) => `${name}:${value}`),
    root.components[0]?.properties.map(({ name, value }) => `${name}:${value}`),
  );
});
