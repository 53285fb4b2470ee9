/** An event as its clients edit it: the unfolded lines of each VEVENT, the series first. Times are in UTC. */
export interface EventText {
  /** Undefined: instances alone. */
  readonly master: readonly string[] | undefined;
  /** By the value of RECURRENCE-ID. */
  readonly overrides: ReadonlyMap<string, readonly string[]>;
}

export const textOf = (lines: readonly string[], name: string): string | undefined =>
  lines.find((line) => line.startsWith(`${name}:`) || line.startsWith(`${name};`))?.replace(/^[^:]*:/, "");

export function readEvent(text: string): EventText {
  let master: readonly string[] | undefined;
  const overrides = new Map<string, readonly string[]>();
  for (const part of text
    .replace(/\r?\n[ \t]/g, "")
    .split("BEGIN:VEVENT")
    .slice(1)) {
    const lines = (part.split("END:VEVENT")[0] ?? "").split(/\r?\n/).filter((line) => line !== "");
    const id = textOf(lines, "RECURRENCE-ID");
    if (id === undefined) master = lines;
    else overrides.set(id, lines);
  }
  return { master, overrides };
}

export const writeEvent = ({ master, overrides }: EventText): string =>
  [
    ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"],
    ...[...(master === undefined ? [] : [master]), ...overrides.values()].flatMap((lines) => [
      "BEGIN:VEVENT",
      ...lines,
      "END:VEVENT",
    ]),
    ...["END:VCALENDAR", ""],
  ].join("\r\n");

/** With the same done to every component. */
export const mapEvent = ({ master, overrides }: EventText, edit: Edit): EventText => ({
  master: master && edit(master),
  overrides: new Map([...overrides].map(([id, lines]) => [id, edit(lines)])),
});

export type Edit = (lines: readonly string[]) => readonly string[];

/** One line of that name, or none. */
export const withLine =
  (name: string, value: string | undefined): Edit =>
  (lines) => [
    ...lines.filter((line) => !line.startsWith(`${name}:`) && !line.startsWith(`${name};`)),
    ...(value === undefined ? [] : [`${name}:${value}`]),
  ];

export const attendeesIn = (lines: readonly string[]): readonly string[] =>
  lines.flatMap((line) => /^ATTENDEE[^:]*:mailto:(\w+)@/i.exec(line)?.[1] ?? []);

const attendeeLine = (lines: readonly string[], person: string): string | undefined =>
  lines.find((line) => line.startsWith("ATTENDEE") && line.includes(`:mailto:${person}@`));

export const partstatIn = (lines: readonly string[], person: string): string =>
  /;PARTSTAT=([A-Z-]+)/.exec(attendeeLine(lines, person) ?? "")?.[1] ?? "NEEDS-ACTION";

export const withAttendee =
  (person: string): Edit =>
  (lines) =>
    attendeeLine(lines, person) === undefined
      ? [...lines, `ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:${person}@example.com`]
      : lines;

export const withoutAttendee =
  (person: string): Edit =>
  (lines) =>
    lines.filter((line) => line !== attendeeLine(lines, person));

export const withAnswer =
  (person: string, partstat: string): Edit =>
  (lines) =>
    lines.map((line) =>
      line === attendeeLine(lines, person)
        ? line.replace(/;(PARTSTAT|RSVP)=[^;:]*/g, "").replace(/^ATTENDEE/, `ATTENDEE;PARTSTAT=${partstat}`)
        : line,
    );

const toMs = (time: string): number =>
  Date.UTC(
    ...([
      +time.slice(0, 4),
      +time.slice(4, 6) - 1,
      +time.slice(6, 8),
      +time.slice(9, 11),
      +time.slice(11, 13),
    ] as const),
  );
export const fromMs = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, "");

/** That many hours later. */
export const later = (time: string, hours: number): string => fromMs(toMs(time) + hours * 3_600_000);

/** The event that many hours later, its rule, exceptions and instances with it. */
export const moved = ({ master, overrides }: EventText, hours: number): EventText => {
  const shift: Edit = (lines) =>
    lines.map((line) =>
      /^(DTSTART|DTEND|EXDATE|RECURRENCE-ID)[:;]/.test(line)
        ? line.replace(/\d{8}T\d{6}Z/g, (time) => later(time, hours))
        : line.replace(/UNTIL=(\d{8}T\d{6}Z)/, (_all, time: string) => `UNTIL=${later(time, hours)}`),
    );
  return {
    master: master && shift(master),
    overrides: new Map([...overrides].map(([id, lines]) => [later(id, hours), shift(lines)])),
  };
};

/** Starts that the rule gives (daily), exceptions left out; one without a rule. */
export function startsOf(master: readonly string[]): readonly string[] {
  const start = textOf(master, "DTSTART") ?? "";
  const rule = textOf(master, "RRULE");
  const count = Number(/COUNT=(\d+)/.exec(rule ?? "")?.[1] ?? (rule === undefined ? 1 : 1000));
  const until = /UNTIL=(\w+)/.exec(rule ?? "")?.[1];
  const out = new Set(
    master.filter((line) => /^EXDATE[:;]/.test(line)).flatMap((line) => line.replace(/^[^:]*:/, "").split(",")),
  );
  const starts: string[] = [];
  for (
    let at = 0, time = start;
    at < count && (until === undefined || time <= until);
    at++, time = later(start, at * 24)
  )
    if (!out.has(time)) starts.push(time);
  return starts;
}

/** The instance of the series at that start, as a component of its own. */
export const derived = (master: readonly string[], at: string): readonly string[] => {
  const length = toMs(textOf(master, "DTEND") ?? "") - toMs(textOf(master, "DTSTART") ?? "");
  return [
    ...master.filter((line) => !/^(RRULE|EXDATE|DTSTART|DTEND)[:;]/.test(line)),
    ...[`RECURRENCE-ID:${at}`, `DTSTART:${at}`, `DTEND:${fromMs(toMs(at) + length)}`],
  ];
};

/** What is on at each start that somebody is invited to: his instances by RECURRENCE-ID (a single event by "only"), those that are
 *  cancelled left out. */
export function instancesFor({ master, overrides }: EventText, person: string): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  const isHis = (lines: readonly string[]): boolean =>
    attendeesIn(lines).includes(person) && textOf(lines, "STATUS") !== "CANCELLED";
  if (master !== undefined)
    for (const at of startsOf(master)) if (!overrides.has(at) && isHis(master)) found.set(at, derived(master, at));
  for (const [id, lines] of overrides) if (isHis(lines)) found.set(id, lines);
  return found;
}

/** What somebody has otherwise than it should be, in words; undefined: nothing. */
export function differenceBetween(
  wanted: ReadonlyMap<string, readonly string[]>,
  found: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  for (const id of found.keys()) if (!wanted.has(id)) return `${id} is none that he is invited to`;
  for (const [id, lines] of wanted) {
    const own = found.get(id);
    if (own === undefined) return `${id} is missing`;
    for (const name of ["DTSTART", "DTEND", "SUMMARY", "LOCATION"])
      if (textOf(lines, name) !== textOf(own, name))
        return `${name} of ${id} is ${textOf(own, name)}, not ${textOf(lines, name)}`;
    const names = attendeesIn(lines);
    if ([...names].sort().join() !== [...attendeesIn(own)].sort().join()) return `the ATTENDEEs of ${id}`;
    for (const name of names)
      if (partstatIn(lines, name) !== partstatIn(own, name))
        return `PARTSTAT of ${name} on ${id} is ${partstatIn(own, name)}, not ${partstatIn(lines, name)}`;
  }
  return undefined;
}
