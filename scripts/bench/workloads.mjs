import { headerOf } from "./connection.mjs";
import { homeOfMany } from "./crowd.mjs";
import { eventText, inWeek, uidOf, weekRange, weeks } from "./events.mjs";
import { mixed } from "./mixed.mjs";
import { multigetBody, report, sync } from "./reports.mjs";
import { freebusy50, inbox100, invite100 } from "./scheduling.mjs";
import { calendarType, check, namesIn, propfind, xmlType } from "./target.mjs";

// A workload prepares what it needs and gives back `op`, one request (or a few) of connection number `who`, which throws for
// every wrong answer, and `finish`, which looks at the whole afterwards. `against`: the limit of the machine it is compared with.

const size = 1000;
const random = (n) => Math.floor(Math.random() * n);
const seed = (target) => target.seed("thousand", size);
const uidsIn = (text) => new Set([...text.matchAll(/^UID:([^\r\n&]+)/gm)].map(([, uid]) => uid));
function checkUids(answer, calendar, numbers, what) {
  check(answer.status === 207, what, answer);
  const found = uidsIn(answer.body.toString());
  check(found.size === numbers.length, `${what}: ${found.size} of ${numbers.length} events`);
  for (const n of numbers) check(found.has(uidOf(calendar, n)), `${what}: event ${n} is missing`);
}

let fresh = 0;

/** Weeks in random order; `dataOf` writes what is asked of their events, `look` checks the text of an answer. */
const queryOfWeek = (dataOf, look = () => {}) => ({
  against: "http",
  async prepare(target) {
    const { path, name } = await seed(target);
    const expected = Array.from({ length: weeks }, (_, week) => inWeek(size, week));
    return {
      async op(connection) {
        const week = random(weeks);
        const range = weekRange(week);
        const answer = await report(
          connection,
          path,
          `<?xml version="1.0" encoding="utf-8"?><C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/>${dataOf(range)}</D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range ${range}/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`,
        );
        checkUids(answer, name, expected[week], `calendar-query of week ${week}`);
        look(answer.body.toString(), expected[week]);
      },
    };
  },
});

export const workloads = {
  put: {
    what: "PUT of a new event of 0.9 kB",
    against: "creates",
    async prepare(target) {
      const name = `new-${fresh++}`;
      const path = await target.makeCalendar(1, name);
      let next = 0;
      return {
        async op(connection) {
          const n = next++;
          const answer = await connection.request(
            "PUT",
            `${path}${n}.ics`,
            `${calendarType}If-None-Match: *\r\n`,
            eventText(name, n),
          );
          check(answer.status === 201 && headerOf(answer, "etag") !== undefined, "PUT", answer);
        },
        async finish() {
          const { length } = await target.members(path);
          check(length === next, `${next} events were put, ${length} are there`);
        },
      };
    },
  },
  update: {
    what: "PUT over one of 1,000 events, with If-Match",
    against: "creates",
    async prepare(target, concurrency) {
      const { path, etags, name } = await target.seed("updated", size);
      let version = 1;
      return {
        async op(connection, who) {
          // Each connection has events of its own, so that no If-Match can fail.
          const n = who + concurrency * random(Math.floor((size - who - 1) / concurrency) + 1);
          const headers = `${calendarType}If-Match: ${etags[n]}\r\n`;
          const answer = await connection.request("PUT", `${path}${n}.ics`, headers, eventText(name, n, version++));
          check(answer.status === 204, "PUT over an event", answer);
          const etag = headerOf(answer, "etag");
          check(etag !== undefined && etag !== etags[n], "the ETag did not change");
          etags[n] = etag;
        },
        async finish() {
          check((await target.members(path)).length === size, "events were lost or made");
        },
      };
    },
  },
  get: {
    what: "GET of one of 1,000 events",
    against: "http",
    async prepare(target) {
      const { path, etags, name } = await seed(target);
      const texts = etags.map((_, n) => Buffer.from(eventText(name, n)));
      return {
        async op(connection) {
          const n = random(size);
          const answer = await connection.request("GET", `${path}${n}.ics`);
          check(answer.status === 200 && answer.body.equals(texts[n]), "GET", answer);
        },
      };
    },
  },
  get304: {
    what: "GET with If-None-Match",
    against: "http",
    async prepare(target) {
      const { path, etags } = await seed(target);
      return {
        async op(connection) {
          const n = random(size);
          const answer = await connection.request("GET", `${path}${n}.ics`, `If-None-Match: ${etags[n]}\r\n`);
          check(answer.status === 304 && answer.body.length === 0, "GET", answer);
        },
      };
    },
  },
  propfind0: {
    what: "PROPFIND of ctag and sync-token of a calendar of 1,000",
    against: "http",
    async prepare(target) {
      const { path } = await seed(target);
      const body = propfind("<S:getctag/><D:sync-token/><D:displayname/><D:resourcetype/>");
      return {
        async op(connection) {
          const answer = await connection.request("PROPFIND", path, `Depth: 0\r\n${xmlType}`, body);
          check(answer.status === 207 && /getctag>[^<]+</.test(answer.body.latin1Slice()), "PROPFIND", answer);
        },
      };
    },
  },
  "propfind0-digest": {
    what: "the same by Digest: what signing in costs more than Basic, whose credentials are remembered",
    against: "http",
    async prepare(target) {
      const { path } = await seed(target);
      const body = propfind("<S:getctag/><D:sync-token/><D:displayname/><D:resourcetype/>");
      const users = new WeakMap();
      return {
        async op(connection) {
          let digest = users.get(connection);
          if (digest === undefined) {
            digest = await target.digest(1);
            users.set(connection, digest);
          }
          const headers = `${digest("PROPFIND", path)}Depth: 0\r\n${xmlType}`;
          const answer = await digest.connection.request("PROPFIND", path, headers, body);
          check(answer.status === 207 && /getctag>[^<]+</.test(answer.body.latin1Slice()), "PROPFIND", answer);
        },
        finish() {
          target.closeDigests();
        },
      };
    },
  },
  "propfind1-1k": {
    what: "PROPFIND of the ETags of 1,000 events",
    against: "http",
    async prepare(target) {
      const { path, etags } = await seed(target);
      const body = propfind("<D:getetag/>");
      return {
        async op(connection) {
          const answer = await connection.request("PROPFIND", path, `Depth: 1\r\n${xmlType}`, body);
          check(answer.status === 207, "PROPFIND", answer);
          const text = answer.body.latin1Slice();
          check(namesIn(text, path).length === size, "members are missing");
          const n = random(size);
          check(text.includes(etags[n].slice(1, -1)), `the ETag of event ${n} is missing`);
        },
      };
    },
  },
  multiget50: {
    what: "calendar-multiget of 50 of 1,000 events",
    against: "http",
    async prepare(target) {
      const { path, name } = await seed(target);
      return {
        async op(connection) {
          const first = random(size);
          const numbers = Array.from({ length: 50 }, (_, at) => (first + at * 17) % size);
          const answer = await report(connection, path, multigetBody(numbers.map((n) => `${path}${n}.ics`)));
          checkUids(answer, name, numbers, "calendar-multiget");
        },
      };
    },
  },
  "query-week": {
    what: "calendar-query of a week of 1,000 events, with data",
    ...queryOfWeek(() => "<C:calendar-data/>"),
  },
  expand: {
    what: "calendar-query of a week of 1,000 events, expanded",
    ...queryOfWeek(
      (range) => `<C:calendar-data><C:expand ${range}/></C:calendar-data>`,
      (text, expected) => {
        const instances = text.split("BEGIN:VEVENT").length - 1;
        check(instances === expected.length, `${instances} instances, expected ${expected.length}`);
        check(!/RRULE|TZID/.test(text), "an expanded instance has a rule or a zone");
      },
    ),
  },
  home: homeOfMany,
  invite100,
  inbox100,
  freebusy50,
  "sync-init": {
    what: "sync-collection of 1,000 events without a token",
    against: "http",
    async prepare(target) {
      const { path } = await seed(target);
      return {
        async op(connection) {
          const { names } = await sync(connection, path, "");
          check(names.length === size, `${names.length} of ${size} members`);
        },
      };
    },
  },
  "sync-incr": {
    what: "sync-collection after 10 changes",
    against: "http",
    async prepare(target) {
      const { path, name } = await target.seed("changing", size);
      const connection = target.connect();
      const { token } = await sync(connection, path, "");
      for (let n = 0; n < 10; n++) {
        const version = 1 + fresh++;
        const answer = await connection.request(
          "PUT",
          `${path}${n * 90}.ics`,
          calendarType,
          eventText(name, n * 90, version),
        );
        check(answer.status === 204, "PUT", answer);
      }
      connection.close();
      return {
        async op(connection) {
          const { names } = await sync(connection, path, token);
          check(names.length === 10 && names.every((one) => Number.parseInt(one, 10) % 90 === 0), `changes: ${names}`);
        },
      };
    },
  },
  mixed,
};
