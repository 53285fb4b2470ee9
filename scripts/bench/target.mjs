import { createHash } from "node:crypto";
import { basic, Connection, headerOf } from "./connection.mjs";
import { eventText } from "./events.mjs";

export const calendarType = "Content-Type: text/calendar; charset=utf-8\r\n";
export const xmlType = "Content-Type: application/xml; charset=utf-8\r\n";

const md5 = (text) => createHash("md5").update(text).digest("hex");

export class WrongAnswer extends Error {}

/** Throws a WrongAnswer with a sentence when the server did not do what it must. */
export function check(truth, what, answer) {
  if (truth) return;
  const more = answer === undefined ? "" : `: ${answer.status} ${answer.body.toString("utf8", 0, 300)}`;
  throw new WrongAnswer(`${what}${more}`);
}

/** The server under load, as accounts and calendars. `user(n)` and `home(n)` say who account `n` is (from 1) and where it lives. */
export class Target {
  constructor({ host, port, user, password, home, hasCrowd }) {
    Object.assign(this, { host, port, user, password, home, hasCrowd });
    this.seeded = new Map();
    this.digests = [];
  }

  connect(n = 1) {
    return this.connectAs(this.user(n));
  }

  connectAs(user) {
    return new Connection(this.host, this.port, basic(user, this.password(user)));
  }

  /** A connection that signs in by Digest, and what writes its header, counting. Answers a function (method, path) => header
   *  line, with `connection`. */
  async digest(n = 1) {
    const user = this.user(n);
    const connection = new Connection(this.host, this.port);
    this.digests.push(connection);
    const challenge =
      headerOf(await connection.request("PROPFIND", this.home(n), "Depth: 0\r\n"), "www-authenticate") ?? "";
    const { realm, nonce } =
      /^Digest realm="(?<realm>[^"]*)", nonce="(?<nonce>[^"]+)", algorithm=MD5, qop="auth"/.exec(challenge)?.groups ??
      {};
    check(nonce !== undefined, `no challenge of Digest with MD5: ${challenge}`);
    const ha1 = md5(`${user}:${realm}:${this.password(user)}`);
    let count = 0;
    const header = (method, path) => {
      const nc = (++count).toString(16).padStart(8, "0");
      const response = md5(`${ha1}:${nonce}:${nc}:Y25vbmNl:auth:${md5(`${method}:${path}`)}`);
      return `Authorization: Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${path}", cnonce="Y25vbmNl", nc=${nc}, qop=auth, response="${response}", algorithm=MD5\r\n`;
    };
    return Object.assign(header, { connection });
  }

  closeDigests() {
    for (const connection of this.digests.splice(0)) connection.close();
  }

  /** Makes a calendar for account `n`, which must not have it yet. */
  async makeCalendar(n, name) {
    const connection = this.connect(n);
    const path = `${this.home(n)}${name}/`;
    const answer = await connection.request("MKCALENDAR", path);
    connection.close();
    check(answer.status === 201, `MKCALENDAR ${path}`, answer);
    return path;
  }

  /** A calendar of account `n` with the first `count` events; made once. Answers { path, etags }. */
  async seed(name, count, n = 1) {
    const key = `${n} ${name}`;
    const known = this.seeded.get(key);
    if (known !== undefined) return known;
    const path = await this.makeCalendar(n, name);
    const etags = new Array(count);
    let next = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const connection = this.connect(n);
        while (next < count) {
          const at = next++;
          const answer = await connection.request("PUT", `${path}${at}.ics`, calendarType, eventText(name, at));
          check(answer.status === 201, `PUT ${path}${at}.ics`, answer);
          etags[at] = headerOf(answer, "etag");
        }
        connection.close();
      }),
    );
    const made = { path, etags, name, count };
    this.seeded.set(key, made);
    return made;
  }

  /** Names of the members of a calendar. */
  async members(path, n = 1) {
    const connection = this.connect(n);
    const answer = await connection.request("PROPFIND", path, `Depth: 1\r\n${xmlType}`, propfind("<D:getetag/>"));
    connection.close();
    check(answer.status === 207, `PROPFIND ${path}`, answer);
    return namesIn(answer.body.toString(), path);
  }
}

export const propfind = (properties) =>
  `<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"><D:prop>${properties}</D:prop></D:propfind>`;

/** Last segments of the hrefs of members in a multistatus. */
export function namesIn(text, path) {
  const names = [];
  for (const [, href] of text.matchAll(/href>([^<]+)<\//g))
    if (href !== path && href.startsWith(path)) names.push(href.slice(path.length));
  return names;
}
