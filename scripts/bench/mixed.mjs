import { headerOf } from "./connection.mjs";
import { eventText, uidOf } from "./events.mjs";
import { multigetBody, sync } from "./reports.mjs";
import { calendarType, check, namesIn, propfind, xmlType } from "./target.mjs";

const size = 100;
const random = (n) => Math.floor(Math.random() * n);
const pick = (map) => [...map.keys()][random(map.size)];
let runs = 0;

/** One device of one user: what it knows of its calendar, and what it has done and not seen in a synchronisation yet. */
class Device {
  constructor(target, account, calendar) {
    Object.assign(this, { target, account, calendar, path: calendar.path, token: "" });
    /** Name to ETag. */
    this.etags = new Map(calendar.etags.map((etag, n) => [`${n}.ics`, etag]));
    this.changed = new Set();
    this.next = size;
    this.connection = target.connect(account);
  }

  async poll() {
    const body = propfind("<S:getctag/><D:sync-token/>");
    const answer = await this.connection.request("PROPFIND", this.path, `Depth: 0\r\n${xmlType}`, body);
    check(answer.status === 207 && answer.body.includes("getctag>"), "the poll", answer);
  }

  async synchronise() {
    const { text, token, names } = await sync(this.connection, this.path, this.token);
    if (this.token === "") check(names.length === this.etags.size, `${names.length} of ${this.etags.size} members`);
    else {
      const told = new Set(names);
      for (const name of this.changed) check(told.has(name), `the change of ${name} does not appear`);
      for (const name of told) {
        const etag = this.etags.get(name);
        if (etag !== undefined) check(text.includes(etag.slice(1, -1)), `${name} has another ETag`);
      }
    }
    this.changed.clear();
    this.token = token;
  }

  async list() {
    const body = propfind("<D:getetag/>");
    const answer = await this.connection.request("PROPFIND", this.path, `Depth: 1\r\n${xmlType}`, body);
    check(answer.status === 207, "the listing", answer);
    const names = namesIn(answer.body.latin1Slice(), this.path);
    check(names.length === this.etags.size, `${names.length} of ${this.etags.size} members listed`);
  }

  async fetch() {
    const names = Array.from({ length: 10 }, () => pick(this.etags));
    const body = multigetBody(names.map((name) => this.path + name));
    const answer = await this.connection.request("REPORT", this.path, xmlType, body);
    check(answer.status === 207, "the multiget", answer);
    const text = answer.body.toString();
    for (const name of names)
      check(text.includes(`UID:${uidOf(this.calendar.name, Number.parseInt(name, 10))}`), `${name} was not fetched`);
  }

  async put() {
    const over = random(2) === 0;
    const name = over ? pick(this.etags) : `${this.next++}.ics`;
    const condition = over ? `If-Match: ${this.etags.get(name)}\r\n` : "If-None-Match: *\r\n";
    const text = eventText(this.calendar.name, Number.parseInt(name, 10), over ? 1 + random(1e9) : 0);
    const answer = await this.connection.request("PUT", this.path + name, calendarType + condition, text);
    check(answer.status === (over ? 204 : 201), "the PUT", answer);
    this.etags.set(name, headerOf(answer, "etag"));
    this.changed.add(name);
  }

  async remove() {
    if (this.etags.size < 20) return this.put();
    const name = pick(this.etags);
    const answer = await this.connection.request("DELETE", this.path + name);
    check(answer.status === 204, "the DELETE", answer);
    this.etags.delete(name);
    this.changed.add(name);
  }
}

// What phones and desktops of an office do all day; each with the hundredths up to which the dice mean it.
const habits = [
  [60, "poll"],
  [75, "synchronise"],
  [80, "list"],
  [90, "fetch"],
  [98, "put"],
  [100, "remove"],
];

export const mixed = {
  what: "16 users: 60 % polls, 15 % syncs, 5 % listings, 10 % multigets of 10, 8 % PUTs, 2 % DELETEs",
  against: "http",
  concurrency: 16,
  async prepare(target, concurrency) {
    const name = `mixed-${runs++}`;
    const devices = await Promise.all(
      Array.from(
        { length: concurrency },
        async (_, who) => new Device(target, 1 + who, await target.seed(name, size, 1 + who)),
      ),
    );
    return {
      async op(_connection, who) {
        const dice = random(100);
        const [, habit] = habits.find(([below]) => dice < below);
        await devices[who][habit]();
      },
      async finish() {
        for (const { target, path, account, etags, connection } of devices) {
          const names = await target.members(path, account);
          check(
            names.length === etags.size && names.every((one) => etags.has(one)),
            `${path} is not what its client made of it`,
          );
          connection.close();
        }
      },
    };
  },
};
