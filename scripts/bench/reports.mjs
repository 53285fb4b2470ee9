import { check, namesIn, xmlType } from "./target.mjs";

/** A REPORT on `path`. */
export const report = (connection, path, body, depth = "1") =>
  connection.request("REPORT", path, `Depth: ${depth}\r\n${xmlType}`, body);

const syncBody = (token) =>
  `<?xml version="1.0" encoding="utf-8"?><D:sync-collection xmlns:D="DAV:"><D:sync-token>${token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`;

/** One synchronisation: what changed since `token` ("" for the first), by name, and the next token. */
export async function sync(connection, path, token) {
  const answer = await report(connection, path, syncBody(token), "0");
  check(answer.status === 207, "sync-collection", answer);
  const text = answer.body.toString();
  const next = /sync-token>([^<]+)</.exec(text)?.[1];
  check(next !== undefined, "sync-collection gave no token", answer);
  return { text, token: next, names: namesIn(text, path) };
}

/** The body of a calendar-multiget. */
export const multigetBody = (hrefs) =>
  `<?xml version="1.0" encoding="utf-8"?><C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop>${hrefs.map((href) => `<D:href>${href}</D:href>`).join("")}</C:calendar-multiget>`;
