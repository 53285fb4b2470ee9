import { person } from "./crowd.mjs";
import { calendarType, check, propfind, xmlType } from "./target.mjs";

// Invitations and busy time among the people of the crowd.

const guests = 100;
const asked = 50;
const home = (user) => `/calendars/users/${user}/`;
const mail = (user) => `mailto:${user}@example.com`;
const organizer = person(0);
const needsCrowd = true;

const crowded = (target) =>
  check(target.hasCrowd, "the people of a crowd are only there on a server that this program starts");

const wrapped = (lines) => ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bench//EN", ...lines, "END:VCALENDAR", ""];

const invitation = (uid) =>
  wrapped([
    ...["BEGIN:VEVENT", `UID:${uid}`, "DTSTAMP:20260101T000000Z", "DTSTART:20300105T100000Z", "DURATION:PT1H"],
    ...[`SUMMARY:${uid}`, `ORGANIZER:${mail(organizer)}`, `ATTENDEE;PARTSTAT=ACCEPTED:${mail(organizer)}`],
    ...Array.from({ length: guests }, (_, n) => `ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:${mail(person(n + 1))}`),
    "END:VEVENT",
  ]).join("\r\n");

/** The attendee who is written to last. */
const last = person(guests);

async function ctagOf(connection, path) {
  const answer = await connection.request("PROPFIND", path, `Depth: 0\r\n${xmlType}`, propfind("<S:getctag/>"));
  const tag = /getctag[^>]*>([^<]+)</.exec(answer.body.toString())?.[1];
  check(tag !== undefined, `the inbox of ${last} has no ctag`, answer);
  return tag;
}

let fresh = 0;

const inviting = (what, untilSeen) => ({
  what,
  against: "creates",
  concurrency: 1,
  needsCrowd,
  async prepare(target) {
    crowded(target);
    const reader = target.connectAs(last);
    const writer = target.connectAs(organizer);
    const inbox = `${home(last)}inbox/`;
    let before = await ctagOf(reader, inbox);
    return {
      async op() {
        const uid = `party-${fresh++}`;
        const path = `${home(organizer)}calendar/${uid}.ics`;
        const answer = await writer.request("PUT", path, calendarType, invitation(uid));
        check(answer.status === 201, "PUT of an invitation", answer);
        if (!untilSeen) return;
        for (let looks = 0; ; looks++) {
          const now = await ctagOf(reader, inbox);
          if (now !== before) {
            before = now;
            return;
          }
          check(looks < 10_000, `the invitation did not reach ${last}`);
        }
      },
      async finish() {
        check(untilSeen || (await ctagOf(reader, inbox)) !== before, `nothing reached ${last}`);
        reader.close();
        writer.close();
      },
    };
  },
});

export const invite100 = inviting(`PUT of an invitation of ${guests}, until it is answered`, false);
export const inbox100 = inviting(`PUT of an invitation of ${guests}, until the last has it in the inbox`, true);

/** Each has a meeting on the day that is asked for. */
export const freebusy50 = {
  what: `POST to an outbox for the busy time of ${asked}`,
  against: "http",
  concurrency: 1,
  needsCrowd,
  async prepare(target) {
    crowded(target);
    const connection = target.connectAs(organizer);
    for (let n = 1; n <= asked; n++) {
      const own = target.connectAs(person(n));
      const text = wrapped([
        ...["BEGIN:VEVENT", `UID:own-${n}`, "DTSTAMP:20260101T000000Z", "DTSTART:20300107T100000Z", "DURATION:PT1H"],
        ...["SUMMARY:own", "END:VEVENT"],
      ]).join("\r\n");
      const answer = await own.request("PUT", `${home(person(n))}calendar/own.ics`, calendarType, text);
      own.close();
      check(answer.status === 201 || answer.status === 204, `PUT of what makes ${person(n)} busy`, answer);
    }
    const body = wrapped([
      ...["METHOD:REQUEST", "BEGIN:VFREEBUSY", "UID:asked", "DTSTAMP:20260101T000000Z"],
      ...["DTSTART:20300107T000000Z", "DTEND:20300108T000000Z", `ORGANIZER:${mail(organizer)}`],
      ...Array.from({ length: asked }, (_, n) => `ATTENDEE:${mail(person(n + 1))}`),
      "END:VFREEBUSY",
    ]).join("\r\n");
    return {
      async op() {
        const answer = await connection.request("POST", `${home(organizer)}outbox/`, calendarType, body);
        const busy = answer.body.toString().split("20300107T100000Z/PT1H").length - 1;
        check(answer.status === 200 && busy === asked, `busy time of ${busy} of ${asked}`, answer);
      },
      finish: () => connection.close(),
    };
  },
};
