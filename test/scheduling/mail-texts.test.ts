import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Component } from "../../src/ical/component.ts";
import { readCalendar } from "../../src/ical/read.ts";
import type { ItipMessage, MessageSummary } from "../../src/itip/message.ts";
import { planOrganizer } from "../../src/itip/organizer.ts";
import { refreshes } from "../../src/itip/refresh.ts";
import { utc } from "../../src/model/ids.ts";
import { normaliseAddress } from "../../src/model/principal.ts";
import { compose } from "../../src/scheduling/mail/compose.ts";
import { endOfAll, factsOf } from "../../src/scheduling/mail/facts.ts";
import { isSamePerson, tokenAddress, tokenIn, whyNotMailed } from "../../src/scheduling/mail/gateway.ts";
import { type Language, languageOf, languages, wordsOf } from "../../src/scheduling/mail/languages.ts";

const alice = "mailto:alice@example.com";
const bob = "mailto:bob@example.org";
const now = utc(Date.UTC(2026, 10, 20, 12) / 1000);

function message(
  method: ItipMessage["method"],
  lines: readonly string[],
  more: Partial<ItipMessage> = {},
): ItipMessage {
  const text = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    `METHOD:${method}`,
    "BEGIN:VEVENT",
    "UID:u",
    "DTSTAMP:20261101T080000Z",
    `ORGANIZER;CN=Alice:${alice}`,
    ...(lines.some((line) => line.startsWith("ATTENDEE")) ? [] : [`ATTENDEE;PARTSTAT=NEEDS-ACTION:${bob}`]),
    ...(lines.some((line) => line.startsWith("DTSTART")) ? [] : ["DTSTART:20261201T100000Z", "DTEND:20261201T110000Z"]),
    ...lines,
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].join("\r\n");
  return { method, originator: alice, recipients: [bob], root: readCalendar(text), says: undefined, ...more };
}

function written(one: ItipMessage, language: Language = "en"): { subject: string; text: string; html: string } {
  const who = { name: "Alice", address: "alice@example.com" };
  const facts = factsOf(one, normaliseAddress(bob), normaliseAddress);
  return compose(facts, { who, organizer: who, attendees: [] }, language);
}

describe("the words of a mail", () => {
  test("tell what, when in the event's own zone, and where", () => {
    const { subject, text } = written(
      message("REQUEST", [
        "SUMMARY:Lunch\\, late",
        "DTSTART;TZID=Europe/Berlin:20261201T123000",
        "DURATION:PT1H30M",
        "LOCATION:Room 1",
        "DESCRIPTION:Bring\\nspoons",
      ]),
    );
    assert.equal(subject, "Invitation: Lunch, late");
    assert.match(text, /^Alice invites you\.$/m);
    assert.match(text, /^When: Tuesday,? 1 December 2026 at 12:30 – 14:00 \(Europe\/Berlin\)$/m);
    assert.match(text, /^Where: Room 1$/m);
    assert.match(text, /^Description: Bring\n {2}spoons$/m);
  });

  test("say of days the last one, not the day after it", () => {
    const days = (end: string): string =>
      written(message("REQUEST", ["DTSTART;VALUE=DATE:20261201", `DTEND;VALUE=DATE:${end}`])).text;
    assert.match(days("20261202"), /^When: Tuesday,? 1 December 2026$/m);
    assert.match(days("20261204"), /^When: Tuesday,? 1 December 2026 – Thursday,? 3 December 2026$/m);
  });

  test("tell how often", () => {
    const often = (rule: string): string =>
      /^Repeats: (.*)$/m.exec(written(message("REQUEST", [`RRULE:${rule}`])).text)?.[1] ?? "";
    assert.equal(often("FREQ=WEEKLY"), "every week");
    assert.equal(often("FREQ=DAILY;INTERVAL=3;COUNT=5"), "every 3 days, 5 times");
    assert.match(often("FREQ=MONTHLY;UNTIL=20270301T100000Z"), /^every month, until Monday,? 1 March 2027$/);
    assert.equal(often("FREQ=HOURLY"), "several times; see the attachment");
  });

  test("of an answer say which it is", () => {
    for (const [partstat, word] of [
      ["ACCEPTED", "Accepted"],
      ["DECLINED", "Declined"],
      ["TENTATIVE", "Tentative"],
      ["DELEGATED", "Answer"],
    ])
      assert.equal(
        written(message("REPLY", [`ATTENDEE;PARTSTAT=${partstat}:${bob}`, "SUMMARY:Lunch"], { originator: bob }))
          .subject,
        `${word}: Lunch`,
      );
  });

  test("come in each language, with all of its words", () => {
    for (const language of languages) {
      const { subject, text, html } = written(message("REQUEST", ["SUMMARY:X"]), language);
      const words = wordsOf(language);
      assert.equal(subject, words.subjects.invitation.replace("%1", "X"));
      assert.ok(text.includes(words.labels.when) && html.includes(`lang="${language}"`));
      assert.doesNotMatch(text, /%[12]|undefined/);
    }
    assert.match(written(message("REQUEST", []), "de").text, /Dienstag, 1\. Dezember 2026/);
    assert.match(written(message("REQUEST", []), "ja").text, /2026年12月1日/);
  });

  test("let nothing out of its place: no header in the subject, no mark-up in the HTML", () => {
    const { subject, html } = written(
      message("REQUEST", [
        "SUMMARY:A\\nBcc: eve@example.org <script>alert(1)</script>",
        'LOCATION:"><img src=x onerror=y>',
        "URL:javascript:alert(1)",
        "DESCRIPTION:%1 & $& <b>",
      ]),
    );
    assert.doesNotMatch(subject, /[\r\n]/);
    assert.doesNotMatch(html, /<script|<img|javascript:|<b>/);
    assert.match(html, /%1 &amp; \$&amp; &lt;b&gt;/);
  });

  test("are in the language of a tag or of the original's name for it", () => {
    assert.deepEqual(
      ["de-AT", "JA", "French", "Deutsch", "en_GB", "tlh", "", undefined, "constructor"].map(languageOf),
      ["de", "ja", "fr", "de", "en", undefined, undefined, undefined, undefined],
    );
  });
});

/** A calendar of alice's with these components of one UID. */
const event = (...components: readonly (readonly string[])[]): Component =>
  readCalendar(
    [
      ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"],
      ...components.flatMap((lines) => [
        ...["BEGIN:VEVENT", "UID:u", "DTSTAMP:20261101T080000Z", `ORGANIZER;CN=Alice:${alice}`, `ATTENDEE:${alice}`],
        ...(lines.some((line) => line.startsWith("ATTENDEE")) ? [] : [`ATTENDEE:${bob}`]),
        ...lines,
        "END:VEVENT",
      ]),
      "END:VCALENDAR",
      "",
    ].join("\r\n"),
  );

/** The mail about a change to bob, as the server makes it. */
function updateOf(before: Component, after: Component, language: Language = "en"): { text: string; html: string } {
  const { messages } = planOrganizer({
    ...{ before, after, owner: normaliseAddress(alice), identify: normaliseAddress, now },
    ...{ merge: false, keepComments: false },
  });
  const own = messages.find(({ method, recipients }) => method === "REQUEST" && recipients.includes(bob));
  assert.ok(own, "bob is told");
  // It has been in the queue.
  const says = JSON.parse(JSON.stringify(own.says ?? null)) as MessageSummary | null;
  return written({ ...own, says: says ?? undefined }, language);
}

describe("the words of a mail about a change", () => {
  const lunch = ["SUMMARY:Lunch", "LOCATION:Room 1", "DTSTART:20261201T100000Z", "DTEND:20261201T110000Z"];
  const changed = (text: string): string | undefined => /^Changed: (.*)$/m.exec(text)?.[1];
  const strong = (html: string): readonly string[] =>
    [...html.matchAll(/<strong>(.*?)<\/strong>/g)].map(([, one]) => one ?? "");

  test("tell time, place and title as they are and as they were, in each language", () => {
    const after = ["SUMMARY:Late lunch", "LOCATION:Room 2", "DTSTART:20261201T120000Z", "DTEND:20261201T130000Z"];
    for (const language of languages) {
      const words = wordsOf(language);
      const { text, html } = updateOf(event(lunch), event(after), language);
      const before = (was: string): string => words.before.replace("%1", was);
      for (const one of [text, html]) {
        assert.ok(one.includes(before("Lunch")), one);
        assert.ok(one.includes(before("Room 1")), one);
        assert.match(one, new RegExp(before("[^\n]*10:00 – 11:00 \\(UTC\\)")), one);
        assert.match(one, /12:00 – 13:00 \(UTC\)/);
      }
      assert.equal(strong(html).length, 2);
      assert.doesNotMatch(text, /%[12]|undefined/);
    }
    const { text } = updateOf(event(lunch), event(after));
    assert.equal(changed(text), "title, place, time");
    assert.match(text, /^Late lunch\nbefore: Lunch$/m);
    assert.match(text, /^Where: Room 2\n {2}before: Room 1$/m);
    assert.match(text, /^When: Tuesday,? 1 December 2026 at 12:00 – 13:00 \(UTC\)\n {2}before: Tuesday/m);
  });

  test("say nothing of what has not changed", () => {
    const { text, html } = updateOf(event(lunch), event([...lunch, "DESCRIPTION:Bring spoons"]));
    assert.equal(changed(text), "description");
    assert.doesNotMatch(text, /before/);
    assert.deepEqual(strong(html), ["Bring spoons"]);
    // Another spelling of the same length, beside a change.
    const shorter = lunch.map((line) => (line.startsWith("DTEND") ? "DURATION:PT1H" : line));
    assert.equal(changed(updateOf(event(lunch), event([...shorter, "DESCRIPTION:Bring spoons"])).text), "description");
    // The same words, written with another parameter.
    const tagged = lunch.map((line) => line.replace("LOCATION:", "LOCATION;LANGUAGE=en:"));
    const { text: words } = updateOf(event(lunch), event(tagged));
    assert.equal(changed(words), "details");
    assert.doesNotMatch(words, /before/);
  });

  test("show a place that is gone, and one that is new", () => {
    const nowhere = lunch.filter((line) => !line.startsWith("LOCATION"));
    assert.match(updateOf(event(lunch), event(nowhere)).text, /^Where: –\n {2}before: Room 1$/m);
    const { text } = updateOf(event(nowhere), event(lunch));
    assert.match(text, /^Changed: place$/m);
    assert.match(text, /^Where: Room 1\n(?! {2})/m);
  });

  test("are about the one instance of a series that was moved, with the time it would have had", () => {
    const series = [...lunch, "RRULE:FREQ=DAILY;COUNT=5"];
    const moved = [
      ...["RECURRENCE-ID:20261203T100000Z", "SUMMARY:Lunch", "LOCATION:Room 1"],
      ...["DTSTART:20261203T150000Z", "DTEND:20261203T160000Z"],
    ];
    const { text } = updateOf(event(series), event(series, moved));
    assert.equal(changed(text), "time");
    assert.match(
      text,
      /^When: Thursday,? 3 December 2026 at 15:00 – 16:00 \(UTC\)\n {2}before: Thursday,? 3 December 2026 at 10:00/m,
    );
    assert.doesNotMatch(text, /Repeats|1 December/);
    const back = updateOf(event(series, moved), event(series)).text;
    assert.match(
      back,
      /^When: Thursday,? 3 December 2026 at 10:00 – 11:00 \(UTC\)\n {2}before: Thursday,? 3 December 2026 at 15:00/m,
    );
  });

  test("tell nobody what was before he was there", () => {
    const series = [...lunch, "RRULE:FREQ=DAILY;COUNT=5", `ATTENDEE:${bob}`];
    const lines = (place: string, ...more: readonly string[]): readonly string[] => [
      ...["RECURRENCE-ID:20261203T100000Z", "SUMMARY:Lunch", `LOCATION:${place}`],
      ...["DTSTART:20261203T150000Z", "DTEND:20261203T160000Z", "ATTENDEE:mailto:carol@example.org", ...more],
    ];
    const { text } = updateOf(event(series, lines("Secret")), event(series, lines("Room 3", `ATTENDEE:${bob}`)));
    assert.doesNotMatch(text, /Secret|before/);
    assert.match(text, /Room 3/);
  });

  test("that somebody asked for say that it has not changed", () => {
    const [asked] = refreshes(event(lunch), () => "asked", normaliseAddress(alice), normaliseAddress, now);
    assert.ok(asked);
    const { subject, text } = written(asked);
    assert.equal(subject, "Present state: Lunch");
    assert.doesNotMatch(text, /[Cc]hanged|before/);
    assert.equal(whyNotMailed(asked, bob, normaliseAddress, now), undefined);
  });
});

describe("who is mailed", () => {
  const why = (one: ItipMessage): string | undefined => whyNotMailed(one, bob, normaliseAddress, now);
  const past = ["DTSTART:20261119T100000Z", "DTEND:20261119T110000Z"];

  test("who is invited, and who is told of a change or a cancellation", () => {
    for (const method of ["REQUEST", "CANCEL"] as const) assert.equal(why(message(method, [])), undefined, method);
    assert.equal(
      why(message("REPLY", [`ATTENDEE;PARTSTAT=ACCEPTED:${bob}`], { originator: bob, recipients: [alice] })),
      undefined,
    );
  });

  test("nobody of what is over, whatever it says of it", () => {
    for (const method of ["REQUEST", "CANCEL", "REPLY"] as const)
      assert.equal(why(message(method, past)), "all of it is over", method);
    assert.equal(why(message("REQUEST", [...past, "RRULE:FREQ=DAILY;COUNT=1"])), "all of it is over");
    assert.equal(why(message("REQUEST", [...past, "RRULE:FREQ=DAILY;UNTIL=20261120T100000Z"])), "all of it is over");
  });

  test("but of a series that goes on, and of what is going on now", () => {
    assert.equal(why(message("REQUEST", [...past, "RRULE:FREQ=DAILY"])), undefined);
    assert.equal(why(message("REQUEST", [...past, "RRULE:FREQ=DAILY;COUNT=5"])), undefined);
    assert.equal(why(message("REQUEST", ["DTSTART:20261119T100000Z", "DTEND:20261120T130000Z"])), undefined);
    assert.equal(endOfAll(message("REQUEST", []), now), Date.UTC(2026, 11, 1, 11));
  });

  test("a day without a zone is over when it is over everywhere", () => {
    assert.equal(
      why(message("REQUEST", ["DTSTART;VALUE=DATE:20261119", "DTEND;VALUE=DATE:20261120"])),
      "all of it is over",
    );
    assert.equal(why(message("REQUEST", ["DTSTART;VALUE=DATE:20261120", "DTEND;VALUE=DATE:20261121"])), undefined);
  });

  test("nobody when only others have answered", () => {
    const says = { isRefresh: true, instances: [] };
    assert.match(why(message("REQUEST", [], { says })) ?? "", /answers of others/);
    const told = (properties: readonly string[]): Partial<ItipMessage> => ({
      says: { instances: [{ key: "master", id: undefined, properties, attendees: "partstat" }] },
    });
    assert.match(why(message("REQUEST", [], told([]))) ?? "", /answers of others/);
    assert.equal(why(message("REQUEST", [], told(["LOCATION"]))), undefined);
    // That is what an answer is.
    const answer = { ...told([]), originator: bob, recipients: [alice] };
    assert.equal(why(message("REPLY", [`ATTENDEE;PARTSTAT=ACCEPTED:${bob}`], answer)), undefined);
  });

  test("nobody who has answered what this server has never seen before: it is imported", () => {
    const answered = [`ATTENDEE;PARTSTAT=ACCEPTED:${bob}`];
    assert.match(why(message("REQUEST", answered)) ?? "", /answered before/);
    assert.equal(why(message("REQUEST", answered, { says: { instances: [] } })), undefined);
  });
});

describe("the gateway's address", () => {
  test("has the token between + and @, and nothing else is one", () => {
    const token = "48270e9e-8479-4757-88e0-4bfe227aa584";
    const address = tokenAddress("calendar@example.com", token);
    assert.equal(address, `calendar+${token}@example.com`);
    assert.equal(tokenIn(address, "calendar@example.com"), token);
    for (const other of [
      "calendar@example.com",
      `calendar+${token}@example.org`,
      `x${address}`,
      "calendar+@example.com",
      "calendar+a/../b@example.com",
    ])
      assert.equal(tokenIn(other, "calendar@example.com"), undefined, other);
  });

  test("a person is the same with another sub-address", () => {
    assert.ok(isSamePerson("bob@example.org", "Bob+work@example.org"));
    assert.ok(!isSamePerson("bob@example.org", "bob@example.com"));
    assert.ok(!isSamePerson("bob@example.org", "bobby@example.org"));
  });
});
