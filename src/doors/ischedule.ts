import { createHash } from "node:crypto";
import { bodyOf } from "../http/body.ts";
import { HttpError, type HttpRequest, type HttpResponse } from "../http/message.ts";
import type { ItipMessage } from "../itip/message.ts";
import type { Utc } from "../model/ids.ts";
import { isched, type RecipientAnswer, writeAnswers } from "../scheduling/ischedule/answers.ts";
import { UnknownKey, UntrustedSignature, type Verified, verify } from "../scheduling/ischedule/dkim.ts";
import type { ISchedule } from "../scheduling/ischedule/open.ts";
import { domainOf } from "../scheduling/ischedule/peers.ts";
import type { Message } from "../scheduling/outbox-message.ts";
import type { CalendarStore } from "../store/contract.ts";
import { el } from "../xml/element.ts";
import { writeXml } from "../xml/write.ts";
import type { Door } from "./door.ts";
import { type Capabilities, capabilitiesDocument } from "./ischedule-capabilities.ts";
import { checkHeaders, type Incoming, IScheduleError, readIncoming } from "./ischedule-message.ts";

/** What the door is opened with. */
export interface IScheduleDoor extends Pick<ISchedule, "peers" | "keys" | "published"> {
  readonly capabilities: Omit<Capabilities, "administrator">;
  /** Who refused senders are told why. */
  readonly tells: boolean;
  readonly received: CalendarStore["received"];
  readonly product: string;
  now(): Utc;
  readonly warn: (message: string, details?: Readonly<Record<string, unknown>>) => void;
  /** Whether an address is of this server: nobody else sends in its name. */
  isOurs(address: string): Promise<boolean>;
  /** Delivers to people of this server. Answers the status of each. */
  receive(
    message: ItipMessage,
    how: { readonly id: string; readonly isRepeated: boolean },
  ): Promise<(address: string) => string | undefined>;
  busyTime(message: Message): Promise<readonly RecipientAnswer[]>;
}

const allow = "OPTIONS, GET, HEAD, POST";
const xmlType = "application/xml; charset=utf-8";

/** Other servers' door: `/ischedule` and `/.well-known/ischedule` (draft-desruisseaux-ischedule, with the signatures and capabilities of
 *  its later versions), and `/.well-known/domainkey/<domain>/<selector>` with the key that this server signs with. Nobody signs in: who
 *  sends is known by a signature, or by his address where the administrator has written it down. */
export function iScheduleDoor(options: IScheduleDoor): Door {
  const general = {
    "iSchedule-Version": "1.0",
    "iSchedule-Capabilities": String(options.capabilities.serial),
  };
  return {
    claims: ([first, second, ...more]) =>
      first === "ischedule"
        ? second === undefined
        : first === ".well-known" && (second === "domainkey" || (second === "ischedule" && more.length === 0)),
    async handle(request) {
      const { method, path } = request;
      if (path[1] === "domainkey") return key(request, options);
      if (method === "OPTIONS") return { status: 200, headers: { ...general, Allow: allow } };
      if (method === "GET" || method === "HEAD") {
        const answer = tellCapabilities(request, options);
        return {
          status: 200,
          headers: { ...general, "Content-Type": xmlType },
          ...(method === "GET" ? { body: answer } : {}),
        };
      }
      if (method !== "POST") throw new HttpError(405, `other servers' door takes ${allow}`, { Allow: allow });
      try {
        const { body, isOld } = await post(request, options);
        const headers = { ...general, "Content-Type": xmlType, "Cache-Control": "no-cache, no-transform" };
        return {
          status: 200,
          headers: isOld ? { ...headers, "Content-Type": "text/xml; charset=utf-8" } : headers,
          body,
        };
      } catch (error) {
        if (!(error instanceof IScheduleError)) throw error;
        return refused(error, general);
      }
    },
  };
}

function tellCapabilities({ query, headers, secure }: HttpRequest, { capabilities, now }: IScheduleDoor): string {
  // `query` in the first draft, `action` in the later ones.
  const asked = query.getAll("action").concat(query.getAll("query"));
  if (asked.length !== 1 || asked[0] !== "capabilities")
    throw new HttpError(400, "GET answers to ?action=capabilities; messages are sent by POST");
  const administrator = `${secure ? "https" : "http"}://${headers["host"] ?? "localhost"}/`;
  return capabilitiesDocument({ ...capabilities, administrator }, now());
}

function key({ method, path }: HttpRequest, { published }: IScheduleDoor): HttpResponse {
  if (method !== "GET" && method !== "HEAD") throw new HttpError(405, "a key is read with GET", { Allow: "GET, HEAD" });
  const [, , domain, selector, ...more] = path;
  if (
    published === undefined ||
    domain?.toLowerCase() !== published.domain ||
    selector !== published.selector ||
    more.length > 0
  )
    throw new HttpError(404, "there is no such key");
  const headers = { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "max-age=3600" };
  return method === "HEAD" ? { status: 200, headers } : { status: 200, headers, body: `${published.record}\n` };
}

function refused(
  { status, conditions, message }: IScheduleError,
  headers: Readonly<Record<string, string>>,
): HttpResponse {
  const names = conditions.map((name) => el(isched(name)));
  const body = writeXml(el(isched("error"), ...names, el(isched("responsedescription"), message)));
  return { status, headers: { ...headers, "Content-Type": xmlType }, body };
}

async function post(
  request: HttpRequest,
  options: IScheduleDoor,
): Promise<{ readonly body: string; readonly isOld: boolean }> {
  const { peers, now, isOurs, capabilities } = options;
  checkHeaders(request);
  const bytes = await bounded(request, capabilities.maxContentLength);
  const verified = await whoSent(request, bytes, options);
  const incoming = readIncoming(request, bytes, verified === undefined);
  const { originator, message, isOld } = incoming;
  const domain = domainOf(originator);
  const maySend =
    verified === undefined
      ? await peers.isTrusted(request.remote, domain)
      : domain !== undefined && domain === verified.domain;
  if (!maySend || (await isOurs(originator)))
    throw denied(`this server takes no messages of ${originator.slice(0, 100)} from there`);
  request.log.items.push(`recipients=${incoming.recipients.length}`);
  await refuseReplay(verified, bytes, now(), options);
  const answers =
    message.busyTime === undefined
      ? await deliver(request, incoming, verified, bytes, options)
      : await options.busyTime({
          ...message,
          attendees: message.attendees.filter(({ value }) => incoming.recipients.includes(value.trim())),
        });
  return { body: writeAnswers(answers, isOld, options.product), isOld };
}

const denied = (problem: string): IScheduleError =>
  new IScheduleError(403, ["originator-denied", "originator-specified"], problem);

async function bounded(request: HttpRequest, limit: number): Promise<Buffer> {
  try {
    return await bodyOf(request, limit);
  } catch (error) {
    if (error instanceof HttpError && error.status === 413)
      throw new IScheduleError(413, ["max-content-length"], `a message has ${limit} bytes at most`);
    throw error;
  }
}

/** Whose signature is on the request; undefined for a peer that is known by its address. Throws for everybody else. */
async function whoSent(
  request: HttpRequest,
  bytes: Uint8Array,
  { peers, keys, now, tells, warn }: IScheduleDoor,
): Promise<Verified | undefined> {
  const { headers, remote } = request;
  const failed = (why: string): IScheduleError => {
    warn("a message of another server was refused", { remote, because: why });
    const problem = tells ? why : "the request carries no signature that this server can trust";
    return new IScheduleError(403, ["verification-failed"], problem);
  };
  if (headers["dkim-signature"] === undefined) {
    if (await peers.isTrusted(remote, undefined)) return undefined;
    throw failed("there is no signature, and the address is of no known server");
  }
  try {
    return await verify(headers, bytes, now(), keys.of);
  } catch (error) {
    if (error instanceof UntrustedSignature) throw failed(error.message);
    if (!(error instanceof UnknownKey)) throw error;
    // It says no more than none would.
    if (await peers.isTrusted(remote, undefined)) return undefined;
    throw failed(error.message);
  }
}

const md5 = (text: string | Uint8Array): string => createHash("md5").update(text).digest("hex");

async function refuseReplay(
  verified: Verified | undefined,
  bytes: Uint8Array,
  now: number,
  { received }: IScheduleDoor,
): Promise<void> {
  if (verified === undefined) return;
  const receipt = await received.begin(`signature ${verified.signature}`, md5(bytes), verified.until, now);
  if (receipt.is !== "new") throw new IScheduleError(403, ["verification-failed"], "this very request came before");
}

/** Seconds that messages of peers without signatures are remembered: longer than anybody tries again. */
const remembered = 3 * 86_400;

/** Delivers a message once, however often it is sent: whoever got no answer sends it again under its iSchedule-Message-ID. */
async function deliver(
  { headers, remote }: HttpRequest,
  { itip, recipients }: Incoming,
  verified: Verified | undefined,
  bytes: Uint8Array,
  { received, receive, now }: IScheduleDoor,
): Promise<readonly RecipientAnswer[]> {
  const id = headers["ischedule-message-id"]?.trim().slice(0, 500);
  const isNamed =
    id !== undefined && id !== "" && (verified === undefined || verified.signed.has("ischedule-message-id"));
  const name = `message ${verified?.domain ?? remote} ${isNamed ? id : md5(bytes)}`;
  const until = Math.max(verified?.until ?? 0, now() + remembered);
  const receipt = isNamed
    ? await received.begin(name, md5(`${recipients.join(" ")} ${md5(bytes)}`), until, now())
    : ({ is: "new" } as const);
  if (receipt.is === "other")
    throw new IScheduleError(403, ["verification-failed"], "another message came under this iSchedule-Message-ID");
  if (receipt.is === "done") return JSON.parse(receipt.answer) as RecipientAnswer[];
  const statusOf = await receive(itip, { id: md5(name), isRepeated: receipt.is === "begun" });
  const answers = recipients.map((recipient) => ({
    recipient,
    status: statusOf(recipient) ?? "5.1;Service unavailable",
  }));
  if (isNamed) await received.end(name, JSON.stringify(answers));
  return answers;
}
