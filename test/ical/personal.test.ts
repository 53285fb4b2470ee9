import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { laidOver, sharedText, withoutPersonal } from "../../src/ical/personal.ts";

const alarm = (minutes: number): readonly string[] => [
  "BEGIN:VALARM",
  "ACTION:DISPLAY",
  "DESCRIPTION:soon",
  `TRIGGER:-PT${minutes}M`,
  "END:VALARM",
];
const vevent = (...lines: readonly string[]): readonly string[] => [
  "BEGIN:VEVENT",
  "UID:lunch",
  "DTSTAMP:20260101T000000Z",
  ...lines,
  "END:VEVENT",
];
const calendar = (...components: readonly (readonly string[])[]): string =>
  ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", ...components.flat(), "END:VCALENDAR", ""].join("\r\n");
const times = ["DTSTART:20260105T120000Z", "DTEND:20260105T130000Z"];
const daily = [...times, "RRULE:FREQ=DAILY;COUNT=5", "SUMMARY:Lunch"];
/** The second day, with nothing changed. */
const second = [
  "RECURRENCE-ID:20260106T120000Z",
  "DTSTART:20260106T120000Z",
  "DTEND:20260106T130000Z",
  "SUMMARY:Lunch",
];

const same = (found: string | undefined, expected: string): void => assert.equal(found, expected);
/** What a text says, however it is folded or ordered. */
const said = (text: string): readonly string[] =>
  text
    .replace(/\r\n[ \t]/g, "")
    .split("\r\n")
    .filter((line) => line !== "");

describe("alarms are left out of a text", () => {
  test("and every other byte stays", () => {
    const folded = "DESCRIPTION:long\r\n  and folded";
    same(
      withoutPersonal(calendar(vevent(...times, folded, ...alarm(5), "SUMMARY:Lunch", ...alarm(10)))),
      calendar(vevent(...times, folded, "SUMMARY:Lunch")),
    );
  });
  test("in small letters, folded anywhere, with single line feeds", () => {
    const text =
      "begin:vcalendar\nbegin:vevent\nuid:a\nbegin:\n valarm\naction:\n  display\nend:valarm\nsummary:b\nend:vevent\nend:vcalendar\n";
    same(withoutPersonal(text), "begin:vcalendar\nbegin:vevent\nuid:a\nsummary:b\nend:vevent\nend:vcalendar\n");
  });
  test("with what is inside them, components too", () => {
    const inner = ["BEGIN:VALARM", "BEGIN:VLOCATION", "UID:x", "END:VLOCATION", "END:VALARM"];
    same(withoutPersonal(calendar(vevent(...times, ...inner))), calendar(vevent(...times)));
  });
  test("with what Thunderbird notes of those that went off", () => {
    const marks = [
      "X-MOZ-LASTACK:20260105T115500Z",
      "X-MOZ-SNOOZE-TIME:20260105T115900Z",
      "X-MOZ-SNOOZE-TIME-1767614400000000:x",
    ];
    same(withoutPersonal(calendar(vevent(...times, ...marks))), calendar(vevent(...times)));
  });
  test("and a text without any is the same string", () => {
    const text = calendar(vevent(...times, "DESCRIPTION:BEGIN:VALARM is\r\n  only mentioned"));
    same(withoutPersonal(text), text);
  });
  test("in time that grows with the text alone", () => {
    const text = calendar(vevent(...times, `DESCRIPTION:${"x\r\n ".repeat(200_000)}`, ...alarm(5)));
    const begun = performance.now();
    assert.ok(!withoutPersonal(text).includes("VALARM"));
    assert.ok(performance.now() - begun < 1000);
  });
});

describe("what a sharee sends for an object", () => {
  const owners = calendar(vevent(...times, "SUMMARY:Lunch", "TRANSP:TRANSPARENT", ...alarm(5)));
  const sent = (text: string, current?: string): string | undefined => sharedText(parseCalendarObject(text), current);

  test("with an alarm and stamps of his own changes nothing that others see", () => {
    const his = calendar(
      vevent(...times, "SUMMARY:Lunch", "LAST-MODIFIED:20260102T000000Z", "SEQUENCE:3", ...alarm(30)),
    );
    assert.equal(sent(his, owners), undefined);
  });
  test("with another title gives the owner's file that title, the owner's alarm and transparency", () => {
    const his = calendar(vevent(...times, "SUMMARY:Long lunch", "TRANSP:OPAQUE", ...alarm(30)));
    const lines = said(sent(his, owners) ?? "");
    assert.ok(lines.includes("SUMMARY:Long lunch"));
    assert.ok(lines.includes("TRANSP:TRANSPARENT"));
    assert.ok(lines.includes("TRIGGER:-PT5M"));
    assert.ok(!lines.includes("TRIGGER:-PT30M"));
  });
  test("that is new is stored without his alarm, byte by byte otherwise", () => {
    same(sent(calendar(vevent(...times, "SUMMARY:Lunch", ...alarm(30)))), calendar(vevent(...times, "SUMMARY:Lunch")));
  });
  test("as an override that differs by an alarm alone is no override for others", () => {
    const series = calendar(vevent(...daily));
    const his = calendar(vevent(...daily), vevent(...second, ...alarm(30)));
    assert.equal(sent(his, series), undefined);
    const renamed = calendar(
      vevent(...daily.slice(0, -1), "SUMMARY:Supper"),
      vevent(...second.slice(0, -1), "SUMMARY:Supper", ...alarm(30)),
    );
    assert.ok(!(sent(renamed, series) ?? "RECURRENCE-ID").includes("RECURRENCE-ID"));
  });
  test("that moves one instance reaches the owner as that override", () => {
    const moved = [...second.slice(0, 1), "DTSTART:20260106T140000Z", "DTEND:20260106T150000Z", "SUMMARY:Lunch"];
    const after = sent(calendar(vevent(...daily), vevent(...moved, ...alarm(30))), calendar(vevent(...daily)));
    assert.ok(after?.includes("DTSTART:20260106T140000Z"));
    assert.ok(!after?.includes("VALARM"));
  });
});

describe("what is a sharee's own is laid over the owner's new text", () => {
  test("his alarm stays when the owner moves the event", () => {
    const now = calendar(vevent("DTSTART:20260105T150000Z", "DTEND:20260105T160000Z", "SUMMARY:Lunch", ...alarm(5)));
    const lines = said(laidOver(now, calendar(vevent(...times, "SUMMARY:Lunch", ...alarm(30)))));
    assert.ok(lines.includes("DTSTART:20260105T150000Z"));
    assert.ok(lines.includes("TRIGGER:-PT30M"));
    assert.ok(!lines.includes("TRIGGER:-PT5M"));
  });
  test("an alarm of one instance makes an override of it, at the owner's new hour", () => {
    const now = calendar(
      vevent(
        "DTSTART;TZID=Europe/Berlin:20260105T120000",
        "DURATION:PT1H",
        "RRULE:FREQ=DAILY;COUNT=5",
        "SUMMARY:Mensa",
      ),
    );
    const his = calendar(
      vevent(
        "DTSTART;TZID=Europe/Berlin:20260105T120000",
        "DURATION:PT1H",
        "RRULE:FREQ=DAILY;COUNT=5",
        "SUMMARY:Lunch",
      ),
      vevent(
        "RECURRENCE-ID;TZID=Europe/Berlin:20260106T120000",
        "DTSTART;TZID=Europe/Berlin:20260106T120000",
        "DURATION:PT1H",
        "SUMMARY:Lunch",
        ...alarm(30),
      ),
    );
    const { overrides } = parseCalendarObject(laidOver(now, his));
    assert.equal(overrides.length, 1);
    const lines = overrides[0]?.properties.map(({ name, value }) => `${name}:${value}`) ?? [];
    assert.ok(lines.includes("DTSTART:20260106T120000"));
    assert.ok(lines.includes("SUMMARY:Mensa"));
    assert.equal(overrides[0]?.components[0]?.name, "VALARM");
  });
  test("an alarm of an instance that is no more is dropped", () => {
    const now = calendar(vevent(...daily, "EXDATE:20260106T120000Z"));
    const his = calendar(vevent(...daily), vevent(...second, ...alarm(30)));
    assert.ok(!laidOver(now, his).includes("VALARM"));
  });
  test("an override that the owner made keeps its text and gets the alarm that the sharee has for the series", () => {
    const now = calendar(vevent(...daily), vevent(...second.slice(0, -1), "SUMMARY:Canteen"));
    const { overrides } = parseCalendarObject(laidOver(now, calendar(vevent(...daily, ...alarm(30)))));
    assert.equal(overrides[0]?.components.length, 1);
    assert.ok(overrides[0]?.properties.some(({ value }) => value === "Canteen"));
  });
  test("nothing of another object's is", () => {
    const now = calendar(vevent(...times)).replace("UID:lunch", "UID:other");
    same(laidOver(now, calendar(vevent(...times, ...alarm(30)))), now);
  });
});
