import { utc } from "../../src/model/ids.ts";
import { seeded } from "../support/recurring-cases.ts";
import { now } from "../support/store.ts";
import { type Answer, type Exchange, givenExchange } from "./exchange.ts";
import * as text from "./scheduling-text.ts";

const people = ["user01", "user02", "user03", "user04"] as const;
type Person = (typeof people)[number];
/** May act for each of them. */
const delegate = "user05";
const calendars = ["calendar", "team"] as const;

export interface FuzzReport {
  readonly actions: number;
  /** How often each action was taken. */
  readonly taken: Readonly<Record<string, number>>;
  /** What was wrong first, with the actions that led to it. */
  readonly problem: string | undefined;
}

interface Copy {
  readonly path: string;
  readonly event: text.EventText;
  readonly tag: string | undefined;
}

/** People of one server who create, change, answer, move and delete events, as a seed has it; after each action, what their copies
 *  say of each other is compared. Stops at the first problem. */
export async function fuzzScheduling(seed: number, actions: number): Promise<FuzzReport> {
  let at = now as number;
  const exchange = await givenExchange({}, undefined, { now: () => utc(at++) });
  const fuzz = new Fuzz(exchange, seed);
  try {
    await fuzz.begin();
    for (let index = 0; index < actions && fuzz.problem === undefined; index++) await fuzz.step();
    const story = fuzz.story.slice(-25).join("\n  ");
    return {
      actions: fuzz.story.length,
      taken: fuzz.taken,
      problem: fuzz.problem && `seed ${seed}: ${fuzz.problem}\n  ${story}`,
    };
  } finally {
    await exchange.end();
  }
}

class Fuzz {
  readonly story: string[] = [];
  readonly taken: Record<string, number> = {};
  problem: string | undefined;
  readonly #exchange: Exchange;
  readonly #random: () => number;
  /** Organizers by UID; of events that are gone too. */
  readonly #organizers = new Map<string, Person>();
  /** Copies that somebody has put away, by person and UID. */
  readonly #away = new Set<string>();
  /** What a client saw last: it may change that. */
  readonly #seen = new Map<string, Copy>();
  #events = 0;
  /** Follow-ups may still be under way. */
  #isHurried = false;

  constructor(exchange: Exchange, seed: number) {
    this.#exchange = exchange;
    this.#random = seeded(seed);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
  #one<T>(list: readonly T[]): T {
    const found = list[this.#below(list.length)];
    if (found === undefined) throw new Error("nothing to choose from");
    return found;
  }

  async begin(): Promise<void> {
    for (const person of people) {
      await this.#send("PROPFIND", `/calendars/users/${person}/calendar/`, person, "", { depth: "0" });
      await this.#send("MKCALENDAR", `/calendars/users/${person}/team/`, person);
      const { uid } = await this.#exchange.tree.user(delegate);
      const members = `<D:href>/principals/__uids__/${uid}/</D:href>`;
      const body = `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:group-member-set>${members}</D:group-member-set></D:prop></D:set></D:propertyupdate>`;
      const answer = await this.#send("PROPPATCH", `/principals/users/${person}/calendar-proxy-write/`, person, body);
      if (!answer.text.includes(" 200 ")) throw new Error(answer.text);
    }
  }

  async #send(
    method: string,
    path: string,
    as: string,
    body = "",
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const answer = await this.#exchange.send(method, path, { as, body, headers });
    if (answer.status >= 500) this.problem ??= `${method} ${path} as ${as}: ${answer.status} ${answer.text}\n${body}`;
    return answer;
  }

  async #collection(person: string, name: string) {
    const { tree } = this.#exchange;
    return tree.store.open({ owner: await tree.user(person), path: [name] });
  }

  /** Somebody's copies of a UID. */
  async #copies(person: string, uid: string): Promise<readonly Copy[]> {
    const found: Copy[] = [];
    for (const calendar of calendars) {
      const collection = await this.#collection(person, calendar);
      const name = await collection?.nameOf(uid);
      const content = name === undefined ? undefined : await collection?.read(name);
      if (name === undefined || content === undefined) continue;
      const entry = await collection?.entry(name);
      found.push({
        path: `/calendars/users/${person}/${calendar}/${name}`,
        event: text.readEvent(content.bytes.toString()),
        tag: entry?.scheduleTag,
      });
    }
    return found;
  }

  async #items(person: string): Promise<number> {
    let count = 0;
    for await (const page of (await this.#collection(person, "inbox"))?.entries() ?? []) count += page.length;
    return count;
  }

  async step(): Promise<void> {
    const uids = [...this.#organizers.keys()];
    const kind = this.#random();
    const before = this.#isHurried ? undefined : await Promise.all(people.map((person) => this.#items(person)));
    let concerned: { readonly who: Person; readonly uid: string; readonly asOrganizer: boolean } | undefined;
    if (uids.length === 0 || (kind < 0.12 && uids.length < 12)) concerned = await this.#create();
    else {
      const uid = this.#one(uids);
      const organizer = this.#organizers.get(uid) ?? people[0];
      const who = kind < 0.5 ? organizer : this.#one(people);
      concerned = { who, uid, asOrganizer: who === organizer };
      await (who === organizer ? this.#organize(who, uid) : this.#attend(who, uid));
    }
    this.#isHurried = this.#random() < 0.25;
    if (this.#isHurried || this.problem !== undefined) return;
    await this.#exchange.tree.services.scheduling.idle();
    if (before !== undefined && concerned !== undefined) await this.#lookIntoInboxes(before, concerned);
    for (const uid of this.#organizers.keys()) await this.#compare(uid);
    const warnings = this.#exchange.tree.warnings;
    if (warnings.length > 0) this.problem ??= `warned: ${warnings.join("; ")}`;
  }

  async #lookIntoInboxes(
    before: readonly number[],
    { who, asOrganizer }: { readonly who: Person; readonly asOrganizer: boolean },
  ): Promise<void> {
    for (const [index, person] of people.entries()) {
      const more = (await this.#items(person)) - (before[index] ?? 0);
      // An organizer's change is at most a CANCEL and a REQUEST, or two events when one is split; an answer is one REPLY.
      const most = person === who ? 0 : asOrganizer ? 3 : 1;
      if (more > most || more < 0) this.problem ??= `${more} more items in the inbox of ${person}`;
    }
  }

  #note(kind: string, line: string, answer: Answer | undefined): void {
    this.taken[kind] = (this.taken[kind] ?? 0) + 1;
    this.story.push(`${kind} ${line}${answer === undefined ? "" : ` → ${answer.status}`}`);
  }

  /** PUT by the person or his delegate, of what was made from a copy seen now or before (then with its schedule tag). */
  async #put(
    kind: string,
    who: Person,
    uid: string,
    copy: Copy,
    event: text.EventText,
    stale: boolean,
  ): Promise<Answer> {
    const as = this.#random() < 0.15 ? delegate : who;
    const headers: Record<string, string> = { "content-type": "text/calendar" };
    const isTagged = copy.tag !== undefined && (stale || this.#random() < 0.3);
    if (isTagged && copy.tag !== undefined) headers["if-schedule-tag-match"] = copy.tag;
    const answer = await this.#send("PUT", copy.path, as, text.writeEvent(event), headers);
    this.#note(
      kind,
      `${uid} by ${who}${as === who ? "" : " (delegate)"}${stale ? " from what he saw before" : ""}`,
      answer,
    );
    if (![201, 204, 412].includes(answer.status) && answer.status < 500 && !this.#mayRefuse.has(kind))
      this.problem ??= `${kind}: ${answer.status} ${answer.text}\n${text.writeEvent(event)}`;
    return answer;
  }
  /** What may mean nothing to the present state. */
  readonly #mayRefuse = new Set(["take out", "answer one"]);

  async #create(): Promise<{ who: Person; uid: string; asOrganizer: true }> {
    const who = this.#one(people);
    const uid = `event${this.#events++}`;
    const others = people.filter((person) => person !== who && this.#random() < 0.7);
    const start = text.fromMs(Date.UTC(2027, 0, 4 + this.#below(20), 9 + this.#below(6)));
    const master = [
      ...[
        `UID:${uid}`,
        "DTSTAMP:20260101T000000Z",
        `DTSTART:${start}`,
        `DTEND:${text.later(start, 1)}`,
        `SUMMARY:${uid}`,
      ],
      ...(this.#random() < 0.7 ? [`RRULE:FREQ=DAILY;COUNT=${3 + this.#below(4)}`] : []),
      `ORGANIZER:mailto:${who}@example.com`,
      `ATTENDEE;PARTSTAT=ACCEPTED:mailto:${who}@example.com`,
      ...others.map((person) => `ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:${person}@example.com`),
    ];
    this.#organizers.set(uid, who);
    const copy = {
      path: `/calendars/users/${who}/${this.#one(calendars)}/${uid}.ics`,
      event: { master, overrides: new Map() },
      tag: undefined,
    };
    await this.#put(
      `create with ${others.join("+")}`.slice(0, 6),
      who,
      `${uid} ${start} ${master[5]} ${others.join(",")}`,
      copy,
      copy.event,
      false,
    );
    return { who, uid, asOrganizer: true };
  }

  /** What the client has: the present copy, or what it saw some time ago. */
  async #has(who: Person, uid: string): Promise<{ readonly copy: Copy; readonly stale: boolean } | undefined> {
    const [copy] = await this.#copies(who, uid);
    const key = `${who} ${uid}`;
    const old = this.#seen.get(key);
    if (copy === undefined) return undefined;
    if (old !== undefined && old.path === copy.path && old.tag !== undefined && this.#random() < 0.2)
      return { copy: old, stale: true };
    this.#seen.set(key, copy);
    return { copy, stale: false };
  }

  async #organize(who: Person, uid: string): Promise<void> {
    const had = await this.#has(who, uid);
    if (had === undefined) return;
    const { copy, stale } = had;
    const { event } = copy;
    const { master } = event;
    if (master === undefined) return;
    const put = (kind: string, next: text.EventText) => this.#put(kind, who, uid, copy, next, stale);
    const starts = text.startsOf(master);
    const isSeries = text.textOf(master, "RRULE") !== undefined;
    const at = this.#one(starts.length === 0 ? [""] : starts);
    const instance = event.overrides.get(at) ?? (at === "" ? master : text.derived(master, at));
    const person = this.#one(people.filter((one) => one !== who));
    const withInstance = (edit: text.Edit): text.EventText => ({
      master,
      overrides: new Map([...event.overrides, [at, edit(instance)]]),
    });
    const all = this.#random();
    if (all < 0.06) {
      const answer = await this.#send("DELETE", copy.path, who);
      this.#note("delete", `${uid} by ${who}`, answer);
    } else if (all < 0.18) await put("move", text.moved(event, this.#one([1, -1, 24])));
    else if (all < 0.28)
      await put("rename", text.mapEvent(event, text.withLine("SUMMARY", `${uid} ${this.#below(1000)}`)));
    else if (all < 0.42) await put(`add ${person}`, text.mapEvent(event, text.withAttendee(person)));
    else if (all < 0.54) await put(`take off ${person}`, text.mapEvent(event, text.withoutAttendee(person)));
    else if (all < 0.58) await this.#relocate(who, uid, copy);
    else if (!isSeries || at === "")
      await put("place", text.mapEvent(event, text.withLine("LOCATION", `${this.#below(99)}`)));
    else if (all < 0.66) {
      const start = text.textOf(instance, "DTSTART") ?? at;
      const edit: text.Edit = (lines) =>
        text.withLine("DTEND", text.later(start, 3))(text.withLine("DTSTART", text.later(start, 2))(lines));
      await put(`move one ${at}`, withInstance(edit));
    } else if (all < 0.72)
      await put(`rename one ${at}`, withInstance(text.withLine("SUMMARY", `one ${this.#below(1000)}`)));
    else if (all < 0.78) await put(`add to one ${at} ${person}`, withInstance(text.withAttendee(person)));
    else if (all < 0.84) await put(`take off one ${at} ${person}`, withInstance(text.withoutAttendee(person)));
    else if (all < 0.92) {
      const overrides = new Map(event.overrides);
      overrides.delete(at);
      await put(`except ${at}`, { master: [...master, `EXDATE:${at}`], overrides });
    } else if (all < 0.96 && event.overrides.size > 0) {
      const [id = ""] = event.overrides.keys();
      const overrides = new Map(event.overrides);
      overrides.delete(id);
      await put(`revert ${id}`, { master, overrides });
    } else await this.#split(who, uid, copy, at, put);
  }

  /** This instance and all following get a series of their own. */
  async #split(
    who: Person,
    uid: string,
    copy: Copy,
    at: string,
    put: (kind: string, next: text.EventText) => Promise<Answer>,
  ): Promise<void> {
    const { master = [], overrides } = copy.event;
    const starts = text.startsOf(master);
    if (starts.indexOf(at) < 1) return;
    const cut = text.withLine("RRULE", `FREQ=DAILY;UNTIL=${text.later(at, -1)}`)(master);
    const left = new Map([...overrides].filter(([id]) => id < at));
    const answer = await put(`split at ${at}`, { master: cut, overrides: left });
    if (answer.status >= 300) return;
    const next = `event${this.#events++}`;
    const edits: readonly text.Edit[] = [
      text.withLine("UID", next),
      text.withLine("RRULE", `FREQ=DAILY;COUNT=${starts.length - starts.indexOf(at)}`),
      text.withLine("DTSTART", at),
      text.withLine("DTEND", text.later(at, 1)),
      (lines) => lines.filter((line) => !line.startsWith("EXDATE")),
    ];
    const rest = edits.reduce((lines, edit) => edit(lines), master);
    this.#organizers.set(next, who);
    const path = copy.path.replace(/[^/]+$/, `${next}.ics`);
    await this.#put(
      `go on`,
      who,
      next,
      { path, event: copy.event, tag: undefined },
      { master: rest, overrides: new Map() },
      false,
    );
    void uid;
  }

  /** MOVE into the other calendar, or COPY, which is refused: one scheduling object of a UID. */
  async #relocate(who: Person, uid: string, copy: Copy): Promise<void> {
    const destination = copy.path.includes("/team/")
      ? copy.path.replace("/team/", "/calendar/")
      : copy.path.replace("/calendar/", "/team/");
    const method = this.#random() < 0.7 ? "MOVE" : "COPY";
    const answer = await this.#send(method, copy.path, who, "", { destination: `http://localhost:8008${destination}` });
    this.#note(method, `${uid} by ${who}`, answer);
    this.#seen.delete(`${who} ${uid}`);
    if (method === "COPY" && answer.status < 300) this.problem ??= `COPY of a scheduling object: ${answer.status}`;
    if (method === "MOVE" && ![201, 204, 404].includes(answer.status))
      this.problem ??= `MOVE: ${answer.status} ${answer.text}`;
  }

  async #attend(who: Person, uid: string): Promise<void> {
    const had = await this.#has(who, uid);
    if (had === undefined) return;
    const { copy, stale } = had;
    const { event } = copy;
    const { master } = event;
    const put = (kind: string, next: text.EventText) => this.#put(kind, who, uid, copy, next, stale);
    const partstat = this.#one(["ACCEPTED", "DECLINED", "TENTATIVE"]);
    const all = this.#random();
    const starts = master === undefined ? [] : text.startsOf(master);
    const at = this.#one(starts.length === 0 ? [""] : starts);
    if (all < 0.35) await put(`answer ${partstat}`.slice(0, 6), text.mapEvent(event, text.withAnswer(who, partstat)));
    else if (all < 0.42 && master !== undefined)
      await put("answer series", { master: text.withAnswer(who, partstat)(master), overrides: event.overrides });
    else if (all < 0.65 && master !== undefined && at !== "" && text.textOf(master, "RRULE") !== undefined) {
      const instance = event.overrides.get(at) ?? text.derived(master, at);
      const overrides = new Map([...event.overrides, [at, text.withAnswer(who, partstat)(instance)]]);
      await put("answer one", { master, overrides });
    } else if (all < 0.72) {
      const answer = await this.#send("DELETE", copy.path, this.#random() < 0.2 ? delegate : who);
      this.#note("put away", `${uid} by ${who}`, answer);
      if (answer.status < 300) this.#away.add(`${who} ${uid}`);
    } else if (all < 0.8 && master !== undefined && at !== "" && text.textOf(master, "RRULE") !== undefined) {
      const overrides = new Map(event.overrides);
      overrides.delete(at);
      await put("take out", { master: [...master, `EXDATE:${at}`], overrides });
    } else if (all < 0.88) await this.#relocate(who, uid, copy);
    else await put("own", text.mapEvent(event, text.withLine("X-MOZ-LASTACK", `2027010${this.#below(9)}T000000Z`)));
  }

  /** All copies of an event say the same of what their owners are invited to. */
  async #compare(uid: string): Promise<void> {
    const organizer = this.#organizers.get(uid) ?? people[0];
    const [original, ...more] = await this.#copies(organizer, uid);
    if (more.length > 0) this.problem ??= `${organizer} has ${uid} twice`;
    for (const person of people) {
      if (person === organizer) continue;
      const [copy, ...second] = await this.#copies(person, uid);
      if (second.length > 0) this.problem ??= `${person} has ${uid} twice`;
      const wanted =
        original === undefined ? new Map<string, readonly string[]>() : text.instancesFor(original.event, person);
      const found = copy === undefined ? new Map<string, readonly string[]>() : text.instancesFor(copy.event, person);
      const isAway =
        copy === undefined && [...wanted.values()].every((lines) => text.partstatIn(lines, person) === "DECLINED");
      if (isAway) continue;
      // Who has put the event away gets back only what he is asked for anew.
      if (this.#away.has(`${person} ${uid}`))
        for (const [id, lines] of wanted)
          if (!found.has(id) && text.partstatIn(lines, person) === "DECLINED") wanted.delete(id);
      const difference = text.differenceBetween(wanted, found);
      if (difference !== undefined)
        this.problem ??= `${person}'s copy of ${uid}: ${difference}\n--- ${organizer}\n${original && text.writeEvent(original.event)}\n--- ${person}\n${copy && text.writeEvent(copy.event)}`;
    }
  }
}
