import assert from "node:assert/strict";
import type { Component, Property } from "../../src/ical/component.ts";
import { propertyOf } from "../../src/ical/component.ts";
import { readCalendar } from "../../src/ical/read.ts";
import { formatUtc, parseDateTimeText } from "../../src/ical/time.ts";
import { writeComponent } from "../../src/ical/write.ts";
import { onDecision } from "../../src/itip/decisions.ts";
import type { Method } from "../../src/itip/message.ts";
import { seriesOf } from "../../src/itip/series.ts";
import { utc } from "../../src/model/ids.ts";
import type { AutoSchedule } from "../../src/model/principal.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { World } from "./world.ts";

/** A story about scheduling: a claim and the steps that show it. */
export interface Transcript {
  readonly claim: string;
  readonly line: number;
  readonly steps: readonly Step[];
}

interface Step {
  readonly says: string;
  readonly line: number;
  readonly body: readonly string[];
}

/** Reads a `.itip` file. `# ` begins a transcript, `> ` a step, what follows is the step's calendar text; `;;` is a remark.
 *
 *  Calendar text is short: a line `VEVENT` or `VTODO` begins a component, the lines after it are its properties. `alice` stands
 *  for `mailto:alice@example.com` in ORGANIZER and ATTENDEE. UID and DTSTAMP are there by themselves. */
export function readTranscripts(text: string): readonly Transcript[] {
  const transcripts: { claim: string; line: number; steps: { says: string; line: number; body: string[] }[] }[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (line.startsWith("# ")) transcripts.push({ claim: line.slice(2).trim(), line: at + 1, steps: [] });
    else if (line.startsWith("> "))
      transcripts.at(-1)?.steps.push({ says: line.slice(2).trim(), line: at + 1, body: [] });
    else if (line.trim() !== "" && !line.startsWith(";;")) transcripts.at(-1)?.steps.at(-1)?.body.push(line.trimEnd());
  }
  return transcripts;
}

/** Plays a transcript; throws AssertionError with the line of the step that does not hold. Answers the rows of the decision tables
 *  that it shows: those that decided alone, of their table, for somebody in one step. */
export function play({ steps }: Transcript): ReadonlySet<string> {
  const world = new World();
  const shown = new Set<string>();
  onDecision((row, person) => world.note(row, person));
  try {
    for (const step of steps) {
      world.decided.clear();
      try {
        perform(step, world);
      } catch (error) {
        if (error instanceof Error) error.message = `line ${step.line}: > ${step.says}\n${error.message}`;
        throw error;
      }
      for (const rows of world.decided.values())
        for (const row of rows)
          if ([...rows].filter((other) => tableOf(other) === tableOf(row)).length === 1) shown.add(row);
    }
  } finally {
    onDecision(undefined);
  }
  return shown;
}

const tableOf = (row: string): string => row.slice(0, row.indexOf("."));

type Perform = (found: readonly string[], body: readonly string[], world: World) => void;

const modes: Readonly<Record<string, AutoSchedule>> = {
  "leaves answers to people": "none",
  "always accepts": "accept-always",
  "always declines": "decline-always",
  "accepts if free": "accept-if-free",
  "declines if busy": "decline-if-busy",
  "answers by itself": "automatic",
};

const sentences: readonly (readonly [RegExp, Perform])[] = [
  [
    /^it is (\S+)$/,
    ([when = ""], _body, world) => {
      world.now = utc(parseDateTimeText(when)?.local ?? Number.NaN);
    },
  ],
  [
    /^(\w+) is (elsewhere|nobody)$/,
    ([who = "", what], _body, world) => void (what === "nobody" ? world.nobodies : world.elsewhere).add(who),
  ],
  [
    new RegExp(`^(\\w+) (${Object.keys(modes).join("|")})$`),
    ([who = "", what = ""], _body, world) => void world.modes.set(who, modes[what] ?? "none"),
  ],
  [
    /^(\w+) is busy (\S+)\/(\S+)$/,
    ([who = "", from = "", to = ""], _body, world) => {
      const range = { start: utc(parseDateTimeText(from)?.local ?? 0), end: utc(parseDateTimeText(to)?.local ?? 0) };
      world.busy.set(who, [...(world.busy.get(who) ?? []), range]);
    },
  ],
  [
    /^(\w+) (puts|merges) (\w+)(?: and is refused (\S+))?$/,
    ([who = "", verb, uid = "", code], body, world) => {
      world.now = utc(world.now + 60);
      const put = (): void =>
        world.change(who, uid, calendarOf(body, uid, world), { merge: verb === "merges", silent: false });
      if (code === undefined) return put();
      assert.throws(put, (error) => error instanceof Refusal && error.reason.code === code);
    },
  ],
  [
    /^(\w+) deletes (\w+)( silently)?$/,
    ([who = "", uid = "", silently], _body, world) => {
      world.now = utc(world.now + 60);
      world.change(who, uid, undefined, { merge: false, silent: silently !== undefined });
    },
  ],
  [
    /^(\w+) is sent (\w+) (\w+)(?: of (\w+))?(?:, which is (\w+)(?: because (\S+))?)?$/,
    ([who = "", method = "", uid = "", sender, outcome, because], body, world) => {
      const root = calendarOf(body, uid, world, method);
      const originator = `mailto:${sender ?? "alice"}@example.com`;
      world.received.clear();
      const queue = [
        ...world.arrive(who, { method: method as Method, originator, recipients: [], root, says: undefined }),
      ];
      const last = world.last;
      world.received.delete(who);
      world.deliver(queue);
      if (outcome !== undefined) assert.equal(last?.outcome, outcome);
      if (because !== undefined) assert.equal(last !== undefined && "because" in last ? last.because : "", because);
    },
  ],
  [
    /^(\w+) receives (\w+)$/,
    ([who = "", method], body, world) => {
      const message = world.received.get(who)?.shift();
      if (method === "nothing") return assert.equal(message && writeComponent(message.root), undefined);
      assert.ok(message, `${who} received nothing`);
      assert.equal(message.method, method, writeComponent(message.root));
      compare(message.root, body, world);
    },
  ],
  [
    /^(\w+) has no (\w+)$/,
    ([who = "", uid = ""], _body, world) => assert.equal(world.copyOf(who, uid) && "an object", undefined),
  ],
  [
    /^(\w+) has (\w+)$/,
    ([who = "", uid = ""], body, world) => {
      const root = world.copyOf(who, uid);
      assert.ok(root, `${who} has no ${uid}`);
      compare(root, body, world);
    },
  ],
];

function perform({ says, body }: Step, world: World): void {
  for (const [pattern, action] of sentences) {
    const found = pattern.exec(says);
    if (found === null) continue;
    action(found.slice(1), body, world);
    return;
  }
  throw new Error("no such sentence");
}

/** The short text as a VCALENDAR. */
function calendarOf(body: readonly string[], uid: string, world: World, method?: string): Component {
  const lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//transcript//EN"];
  if (method !== undefined) lines.push(`METHOD:${method}`);
  let open: string | undefined;
  let hasStamp = false;
  const close = (): void => {
    if (open === undefined) return;
    if (!hasStamp) lines.push(`DTSTAMP:${formatUtc(world.now)}`);
    lines.push(`END:${open}`);
  };
  for (const line of body)
    if (/^V(EVENT|TODO|JOURNAL|FREEBUSY)$/.test(line)) {
      close();
      open = line;
      hasStamp = false;
      lines.push(`BEGIN:${line}`, `UID:${uid}`);
    } else {
      if (line.startsWith("DTSTAMP")) hasStamp = true;
      lines.push(inFull(line));
    }
  close();
  return readCalendar([...lines, "END:VCALENDAR", ""].join("\r\n"));
}

/** `ATTENDEE;PARTSTAT=ACCEPTED:bob` with the whole address. */
const inFull = (line: string): string =>
  /^(ATTENDEE|ORGANIZER)[;:]/.test(line) ? line.replace(/:(\w+)$/, ":mailto:$1@example.com") : line;

/** Every component that is shown is there with the properties shown, and there are no others. `-NAME` or `-ATTENDEE:bob`: not there.
 *  `ATTENDEE;X=y:bob` must have the parameters shown, whatever else it has; `-X` among them: not that one. An empty text says
 *  nothing. */
function compare(root: Component, body: readonly string[], world: World): void {
  if (body.length === 0) return;
  const shown: string[][] = [];
  for (const line of body)
    if (/^V[A-Z]+$/.test(line)) shown.push([line]);
    else shown.at(-1)?.push(line);
  const text = `\n${writeComponent(root)}`;
  const { kind } = seriesOf(root);
  const found = root.components.filter(({ name }) => name === kind);
  assert.equal(found.length, shown.length, `${shown.length} components are shown, there are ${found.length}:${text}`);
  for (const [at, [, ...lines]] of shown.entries()) {
    const id = lines.find((line) => line.startsWith("RECURRENCE-ID"));
    const component =
      id === undefined
        ? (found.find((one) => propertyOf(one, "RECURRENCE-ID") === undefined) ?? found[at])
        : found.find((one) => one.properties.some((property) => matches(property, id)));
    assert.ok(component, `there is no component with ${id}:${text}`);
    for (const line of lines) {
      const isThere = component.properties.some((property) => matches(property, line.replace(/^-/, "")));
      assert.equal(isThere, !line.startsWith("-"), `${line} in the component of ${id ?? "the series"}:${text}`);
    }
  }
  void world;
}

function matches(property: Property, line: string): boolean {
  if (!/[:;]/.test(line)) return property.name === line;
  const wanted = inFull(line);
  const quoted = /^([A-Z-]+)((?:;[^:]*)?):(.*)$/.exec(wanted);
  if (quoted === null) return false;
  const [, name, parameters = "", value] = quoted;
  if (property.name !== name || property.value !== value) return false;
  return parameters
    .split(";")
    .slice(1)
    .every((parameter) => {
      if (parameter.startsWith("-")) return !property.parameters.some((one) => one.name === parameter.slice(1));
      const [key, wantedValue] = parameter.split("=");
      return property.parameters.some(
        (one) => one.name === key && (wantedValue === undefined || one.values.join(",") === wantedValue),
      );
    });
}
