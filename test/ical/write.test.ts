import assert from "node:assert/strict";
import { test } from "node:test";
import type { Component, Parameter } from "../../src/ical/component.ts";
import { readCalendar } from "../../src/ical/read.ts";
import { writeComponent } from "../../src/ical/write.ts";

const calendarOf = (name: string, value: string, ...parameters: readonly Parameter[]): Component => ({
  name: "VCALENDAR",
  line: 0,
  components: [],
  properties: [{ name, value, parameters, line: 0 }],
});

const linesOf = (component: Component): readonly string[] => writeComponent(component).split("\r\n").slice(1, -2);

test("lines are folded at 75 octets, never inside a character", () => {
  for (const text of ["x".repeat(400), "é".repeat(300), "日本".repeat(150), "😀".repeat(100), "a😀é日".repeat(60)]) {
    const component = calendarOf("SUMMARY", text);
    const lines = linesOf(component);
    assert.ok(lines.length > 3);
    for (const line of lines) {
      assert.ok(Buffer.byteLength(line) <= 75, line);
      assert.ok(!line.includes("\ufffd") && Buffer.from(line).toString() === line);
    }
    for (const line of lines.slice(0, -1)) assert.ok(Buffer.byteLength(line) > 75 - 4, "lines are filled");
    assert.equal(readCalendar(writeComponent(component)).properties[0]?.value, text);
  }
});

test("a line of exactly 75 octets is not folded", () => {
  assert.deepEqual(linesOf(calendarOf("SUMMARY", "x".repeat(67))), [`SUMMARY:${"x".repeat(67)}`]);
  assert.equal(linesOf(calendarOf("SUMMARY", "x".repeat(68))).length, 2);
});

test("parameter values are quoted where they must be, and only there", () => {
  const [line] = linesOf(
    calendarOf("X-A", "v", { name: "FEATURE", values: ["PHONE", "VIDEO"] }, { name: "CN", values: ["a;b", "c d"] }),
  );
  assert.equal(line, 'X-A;FEATURE=PHONE,VIDEO;CN="a;b",c d:v');
});

test("quotes, line ends and carets in parameter values are written by RFC 6868", () => {
  const component = calendarOf("X-A", "v", { name: "CN", values: ['The "Boss"\n^1'] });
  assert.deepEqual(linesOf(component), ["X-A;CN=The ^'Boss^'^n^^1:v"]);
  assert.deepEqual(
    readCalendar(writeComponent(component)).properties[0]?.parameters,
    component.properties[0]?.parameters,
  );
});

test("what is read and written means the same", () => {
  const text = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "BEGIN:VEVENT",
    'ATTENDEE;CN="Doe, J";MEMBER="mailto:a@b","mailto:c@d";ROLE=CHAIR:mailto:j@example.com',
    "DESCRIPTION:a\\nb\\, c\\; d",
    "BEGIN:VALARM",
    "TRIGGER:-PT5M",
    "END:VALARM",
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].join("\r\n");
  assert.equal(writeComponent(readCalendar(text)).replaceAll("\r\n ", ""), text);
});
