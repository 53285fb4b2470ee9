import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { readCalendar } from "../../src/ical/read.ts";
import { utc } from "../../src/model/ids.ts";
import type { Letter } from "../../src/scheduling/channels.ts";
import { IScheduleChannel } from "../../src/scheduling/ischedule/channel.ts";
import { readDomainMap } from "../../src/scheduling/ischedule/domain-map.ts";
import { Fetcher } from "../../src/scheduling/ischedule/fetch.ts";
import { namesOf } from "../../src/scheduling/ischedule/names.ts";
import { Peers } from "../../src/scheduling/ischedule/peers.ts";
import { invitation } from "./given.ts";

interface Took {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly socket: number;
}

let peer: Server;
let port = 0;
let took: Took[] = [];
let answer: (took: Took, response: ServerResponse) => void = () => undefined;
const channels: IScheduleChannel[] = [];

before(async () => {
  peer = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { method = "", url = "", headers, socket } = request;
      const one = { method, url, headers, body: Buffer.concat(parts).toString(), socket: socket.remotePort ?? 0 };
      took.push(one);
      answer(one, response);
    });
  });
  peer.listen(0, "127.0.0.1");
  await once(peer, "listening");
  const address = peer.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
beforeEach(() => {
  took = [];
});
after(async () => {
  for (const channel of channels) await channel.close();
  peer.closeAllConnections();
  peer.close();
});

/** A channel that knows the peer from the domain map, or (undefined) from the DNS alone. */
function channelTo(path: string | undefined, patterns: readonly RegExp[] = []): IScheduleChannel {
  const map = path === undefined ? "" : `example.org=http://me:secret@127.0.0.1:${port}${path}`;
  const names = namesOf(`_ischedule._tcp.example.net SRV 0 0 ${port} localhost`);
  const peers = new Peers({ written: async () => [readDomainMap(map)], names, discovers: true, ownDomain: "" });
  const channel = new IScheduleChannel({
    peers,
    fetcher: new Fetcher(),
    signer: undefined,
    patterns,
    warn: () => undefined,
  });
  channels.push(channel);
  return channel;
}

const text = invitation("party", "alice", ["ATTENDEE:mailto:bob@example.org"]);
const letter = (to: readonly string[]): Letter => ({
  message: {
    method: "REQUEST",
    originator: "mailto:alice@example.com",
    recipients: to,
    root: readCalendar(text),
    says: undefined,
  },
  text,
  id: "letter1",
  since: 0,
});
const bob = ["mailto:bob@example.org"];
const response = (parts: readonly (readonly [string, string])[]): string =>
  `<?xml version="1.0"?><schedule-response xmlns="urn:ietf:params:xml:ns:ischedule">${parts
    .map(
      ([to, status]) => `<response><recipient>${to}</recipient><request-status>${status}</request-status></response>`,
    )
    .join("")}</schedule-response>`;
const say =
  (status: number, body = "", headers: Record<string, string> = {}) =>
  (_took: Took, sent: ServerResponse): void =>
    void sent.writeHead(status, headers).end(body);

describe("a message to another server", () => {
  test("is one POST to exactly the address of the domain map, with all that the drafts and their forerunners ask for", async () => {
    answer = say(200, response([["mailto:BOB@example.org", "2.0;Success"]]));
    const told = await channelTo("/ischedule/").deliver(letter(bob), bob);
    assert.deepEqual(told, [{ recipient: bob[0], status: "1.2;Scheduling message has been delivered" }]);
    assert.equal(took.length, 1);
    const [{ method, url, headers, body } = assert.fail()] = took;
    assert.equal(`${method} ${url}`, "POST /ischedule/");
    assert.equal(headers.host, `127.0.0.1:${port}`);
    assert.match(headers["content-type"] ?? "", /^text\/calendar\b/);
    assert.equal(headers["originator"], "mailto:alice@example.com");
    assert.equal(headers["recipient"], "mailto:bob@example.org");
    assert.equal(headers["ischedule-version"], "1.0");
    assert.equal(headers["ischedule-message-id"], "letter1@example.com");
    assert.equal(headers["authorization"], `Basic ${Buffer.from("me:secret").toString("base64")}`);
    assert.equal(headers["content-length"], String(Buffer.byteLength(text)));
    assert.equal(body, text);
  });

  test("takes what each recipient's answer is, in CalDAV's form too; who is left out could not be reached", async () => {
    answer = say(
      200,
      "<C:schedule-response xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:D='DAV:'><C:response><C:recipient><D:href>mailto:bob@example.org</D:href>" +
        "</C:recipient><C:request-status>3.8;No authority</C:request-status></C:response></C:schedule-response>",
    );
    const to = [...bob, "mailto:dave@example.org"];
    const told = await channelTo("/x").deliver(letter(to), to);
    assert.deepEqual(
      told.map((one) => ("status" in one ? one.status.slice(0, 3) : "")),
      ["3.8", "5.1"],
    );
  });

  test("is tried again later when the server fails, not when it refuses, and elsewhere when there is no such service", async () => {
    const channel = channelTo("/x");
    for (const status of [500, 503, 429]) {
      answer = say(status);
      await assert.rejects(channel.deliver(letter(bob), bob), new RegExp(`answers ${status}`));
    }
    answer = say(403, "<error/>");
    assert.deepEqual(await channel.deliver(letter(bob), bob), [
      { recipient: bob[0], status: "5.1;Service unavailable" },
    ]);
    for (const status of [404, 405, 410]) {
      answer = say(status);
      const [told] = await channel.deliver(letter(bob), bob);
      assert.equal(told !== undefined && "again" in told && told.again, "elsewhere");
    }
    answer = say(200, "no XML");
    await assert.rejects(channel.deliver(letter(bob), bob));
  });

  test("follows a redirect with its body, to another host without the password, and not for ever", async () => {
    const channel = channelTo("/x");
    answer = ({ url }, sent) =>
      url === "/x"
        ? say(307, "", { location: `http://localhost:${port}/y` })({} as Took, sent)
        : say(200, response([["mailto:bob@example.org", "1.2;x"]]))({} as Took, sent);
    await channel.deliver(letter(bob), bob);
    assert.deepEqual(
      took.map(({ method, url, body }) => `${method} ${url} ${body === text}`),
      ["POST /x true", "POST /y true"],
    );
    assert.ok(took[0]?.headers["authorization"]);
    assert.equal(took[1]?.headers["authorization"], undefined);
    answer = say(302, "", { location: "/x" });
    await assert.rejects(channel.deliver(letter(bob), bob), /redirects more than/);
    answer = say(302, "", { location: "ftp://localhost/" });
    await assert.rejects(channel.deliver(letter(bob), bob), /redirects to ftp/);
  });

  test("uses its connection again, and a new one when that has been closed", async () => {
    const channel = channelTo("/x");
    answer = say(200, response([["mailto:bob@example.org", "1.2;x"]]));
    await channel.deliver(letter(bob), bob);
    await channel.deliver(letter(bob), bob);
    assert.equal(took[0]?.socket, took[1]?.socket);
    let isFirst = true;
    answer = (one, sent) => {
      if (isFirst) sent.socket?.resetAndDestroy();
      else say(200, response([["mailto:bob@example.org", "1.2;x"]]))(one, sent);
      isFirst = false;
    };
    await channel.deliver(letter(bob), bob);
    assert.equal(took.length, 4);
  });

  test("is broken off when the answer is endless", async () => {
    answer = (_took, sent) => {
      const more = (): void => {
        while (!sent.destroyed && sent.write(Buffer.alloc(65_536, 32)));
      };
      sent.on("drain", more);
      more();
    };
    await assert.rejects(channelTo("/x").deliver(letter(bob), bob), /larger than/);
  });

  test("goes to a server that the DNS names only when that tells its capabilities, which it is asked once", async () => {
    const channel = channelTo(undefined);
    const to = ["mailto:bob@example.net"];
    answer = say(200, "<html/>");
    const [told] = await channel.deliver(letter(to), to);
    assert.equal(told !== undefined && "again" in told && told.again, "elsewhere");
    took = [];
    answer = ({ method }, sent) =>
      method === "GET"
        ? say(200, "<query-result xmlns='urn:ietf:params:xml:ns:ischedule'><capabilities/></query-result>")(
            {} as Took,
            sent,
          )
        : say(200, response([["mailto:bob@example.net", "1.2;x"]]))({} as Took, sent);
    await channel.deliver(letter(to), to);
    await channel.deliver(letter(to), to);
    assert.deepEqual(
      took.map(({ method, url }) => `${method} ${url}`),
      ["GET /.well-known/ischedule?action=capabilities", "POST /.well-known/ischedule", "POST /.well-known/ischedule"],
    );
  });
});

test("an address is reached when its domain's server is known, and the patterns allow it", async () => {
  const channel = channelTo("/x", [/mailto:.*@example\.(org|edu)$/]);
  assert.equal(await channel.reaches("mailto:bob@example.org"), true);
  assert.equal(await channel.reaches("mailto:bob@example.net"), false, "no pattern");
  assert.equal(await channel.reaches("mailto:bob@example.edu"), false, "no server");
  assert.equal(await channel.reaches("urn:uuid:bob"), false);
  assert.equal(took.length, 0);
});

test("busy time that a server tells is passed on without what else it says", async () => {
  answer = say(
    200,
    "<schedule-response xmlns='urn:ietf:params:xml:ns:ischedule'><response><recipient>mailto:bob@example.org</recipient><request-status>2.0;Success" +
      "</request-status><calendar-data>BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REPLY\r\nBEGIN:VFREEBUSY\r\nUID:q\r\nX-SECRET:1\r\n" +
      "FREEBUSY:20270301T100000Z/PT1H\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n</calendar-data></response></schedule-response>",
  );
  const range = { start: utc(0), end: utc(1) };
  const question = { originator: "mailto:alice@example.com", range, text: () => text };
  const [told] = await channelTo("/x").askBusyTime(question, bob, AbortSignal.timeout(5_000));
  assert.equal(told?.recipient, bob[0]);
  assert.deepEqual(
    told?.freeBusy?.properties.map(({ name, value }) => `${name}:${value}`),
    ["UID:q", "FREEBUSY:20270301T100000Z/PT1H"],
  );
});
