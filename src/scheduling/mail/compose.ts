import type { DateTime } from "../../ical/time.ts";
import { headerText } from "../../mail/mail.ts";
import type { Facts, Named, Repetition, Span } from "./facts.ts";
import { filled, type Language, type Words, wordsOf } from "./languages.ts";

/** The words of a mail. */
export interface Composed {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Attendees that are named. */
const maxNamed = 20;

interface Line {
  readonly label: string;
  readonly value: string;
  /** Below it: what stood there before. */
  readonly before: string;
  readonly isChanged: boolean;
}

/** Writes subject, text and HTML: what it is, then a line for each fact there is. `who`: whose words they are. */
export function compose(
  facts: Facts,
  people: { readonly who: Named; readonly organizer: Named; readonly attendees: readonly Named[] },
  language: Language,
): Composed {
  const words = wordsOf(language);
  const title = facts.title === "" ? words.untitled : facts.title;
  const greeting = filled(words.says[facts.says], shownName(people.who));
  const lines = linesOf(facts, people, words);
  const isInvitation = facts.says === "invitation" || facts.says === "update" || facts.says === "current";
  const former =
    facts.before.title === undefined || facts.before.title === "" ? "" : filled(words.before, facts.before.title);
  const closing = isInvitation ? [words.howToAnswer] : [];
  return {
    subject: headerText(filled(words.subjects[facts.says], title)),
    text: [
      greeting,
      "",
      title,
      ...(former === "" ? [] : [former]),
      "",
      ...lines.map(
        ({ label, value, before }) => `${label}: ${below(value)}${before === "" ? "" : `\n  ${below(before)}`}`,
      ),
      ...closing.flatMap((line) => ["", line]),
      "",
    ].join("\n"),
    html: [
      `<!DOCTYPE html><html lang="${language}"><head><meta charset="utf-8"><title>${escaped(title)}</title></head>`,
      `<body style="font-family:sans-serif"><p>${escaped(greeting)}</p><h2>${escaped(title)}</h2>`,
      former === "" ? "<table>" : `<p>${escaped(former)}</p><table>`,
      ...lines.map(({ label, value, isChanged, before }) => {
        const shown = broken(value);
        const cell = isChanged ? `<strong>${shown}</strong>` : shown;
        const was = before === "" ? "" : `<br>${broken(before)}`;
        return `<tr><th align="left" valign="top">${escaped(label)}</th><td>${cell}${was}</td></tr>`;
      }),
      `</table>${closing.map((line) => `<p>${escaped(line)}</p>`).join("")}</body></html>`,
    ].join("\n"),
  };
}

function linesOf(
  facts: Facts,
  { organizer, attendees }: { readonly organizer: Named; readonly attendees: readonly Named[] },
  words: Words,
): readonly Line[] {
  const { labels } = words;
  const lines: Line[] = [];
  const add = (label: string, value: string, isChanged = false, before = ""): void => {
    if (value !== "" || before !== "") lines.push({ label, value: value === "" ? "–" : value, isChanged, before });
  };
  const has = (aspect: Facts["changed"][number]): boolean => facts.changed.includes(aspect);
  add(labels.changed, facts.changed.map((aspect) => words.aspects[aspect]).join(", "));
  const times = facts.spans.map((span, index) => {
    const was = facts.before.spans[index];
    const before = was === undefined ? "" : spanText(was, words);
    return { value: spanText(span, words), before: before === "" ? "" : filled(words.before, before) };
  });
  const [only] = times;
  if (times.length === 1 && facts.more === 0) add(labels.when, only?.value ?? "", has("time"), only?.before);
  else {
    const all = times.flatMap(({ value, before }) => [value, before]).filter((text) => text !== "");
    if (facts.more > 0) all.push(filled(words.more, String(facts.more)));
    add(labels.when, all.join("\n"), has("time"));
  }
  if (facts.repetition !== undefined) add(labels.repeats, repetitionText(facts.repetition, words), has("repetition"));
  const { place } = facts.before;
  add(labels.where, facts.place, has("place"), place === undefined || place === "" ? "" : filled(words.before, place));
  add(labels.organizer, fullName(organizer));
  const named = attendees.slice(0, maxNamed).map(fullName);
  if (attendees.length > maxNamed) named.push(filled(words.more, String(attendees.length - maxNamed)));
  add(labels.attendees, named.join(", "), has("people"));
  add(labels.comment, facts.comment);
  add(labels.link, facts.link);
  add(labels.description, facts.description, has("description"));
  return lines;
}

const shownName = ({ name, address }: Named): string => headerText(name ?? address);
const fullName = ({ name, address }: Named): string =>
  name === undefined || name.toLowerCase() === address ? address : `${headerText(name)} <${address}>`;

const marks: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text: string): string => text.replace(/[&<>"']/g, (mark) => marks[mark] ?? mark);

/** Lines of a text, below each other. */
const below = (text: string): string => text.replace(/\r\n|\r|\n/g, "\n  ");
const broken = (text: string): string => escaped(text).replace(/\r\n|\r|\n/g, "<br>");

const formats = new Map<string, Intl.DateTimeFormat>();

function format(locale: string, withTime: "date" | "time" | "both"): Intl.DateTimeFormat {
  const key = `${locale} ${withTime}`;
  const known = formats.get(key);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat(locale, {
    // Wall clocks are counted as if they stood at UTC.
    timeZone: "UTC",
    ...(withTime === "time" ? {} : { weekday: "long", year: "numeric", month: "long", day: "numeric" }),
    ...(withTime === "date" ? {} : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  });
  formats.set(key, made);
  return made;
}

const isDay = ({ form }: DateTime): boolean => form === "date";
const zoneText = ({ form, zone }: DateTime): string =>
  form === "utc" ? " (UTC)" : form === "zoned" && zone !== undefined ? ` (${zone.id})` : "";

/** "Friday, 20 November 2026, 10:00 – 11:00 (Europe/Berlin)". */
function spanText({ start, end, isDue }: Span, { locale, due }: Words): string {
  const whole = (at: DateTime): string => format(locale, isDay(at) ? "date" : "both").format(at.local * 1000);
  if (isDue && end !== undefined) return filled(due, whole(end) + zoneText(end));
  if (start === undefined) return "";
  if (end === undefined) return whole(start) + zoneText(start);
  const isSameZone = zoneText(start) === zoneText(end);
  const isSameDay = Math.floor(start.local / 86_400) === Math.floor(end.local / 86_400);
  const until = isSameDay && isSameZone && !isDay(end) ? format(locale, "time").format(end.local * 1000) : whole(end);
  return `${whole(start)}${isSameZone ? "" : zoneText(start)} – ${until}${zoneText(end)}`;
}

function repetitionText({ frequency, interval, count, until }: Repetition, words: Words): string {
  if (frequency === undefined) return words.irregular;
  const often = interval === 1 ? words.every[frequency] : filled(words.everyFew[frequency], String(interval));
  if (until !== undefined) return filled(words.until, often, format(words.locale, "date").format(until.local * 1000));
  return count === undefined ? often : filled(words.times, often, String(count));
}
