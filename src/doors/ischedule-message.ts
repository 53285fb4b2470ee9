import { isUtf8 } from "node:buffer";
import { contentTypeOf } from "../http/headers.ts";
import type { HttpRequest } from "../http/message.ts";
import type { ItipMessage } from "../itip/message.ts";
import { normaliseAddress } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import { isOrganizerMethod, type Message, readMessage } from "../scheduling/outbox-message.ts";

/** Why a request of another server is refused: the elements of the later and the first draft. */
export class IScheduleError extends Error {
  readonly status: number;
  readonly conditions: readonly string[];
  constructor(status: number, conditions: readonly string[], message: string) {
    super(message);
    this.status = status;
    this.conditions = conditions;
  }
}

/** What another server sends. */
export interface Incoming {
  readonly originator: string;
  readonly recipients: readonly string[];
  readonly message: Message;
  readonly itip: ItipMessage;
  /** It had neither Originator nor Recipient, nor a version: the form of before the drafts. */
  readonly isOld: boolean;
}

const mostRecipients = 1_000;

/** Checks the headers that can be judged without the body. */
export function checkHeaders({ headers }: HttpRequest): void {
  const type = contentTypeOf(headers);
  if (type !== undefined && type.type !== "text/calendar")
    throw new IScheduleError(
      400,
      ["invalid-calendar-data-type", "supported-calendar-data"],
      `a message is text/calendar, found ${type.type.slice(0, 80)}`,
    );
  const version = headers["ischedule-version"]?.trim();
  if (version !== undefined && version !== "1.0")
    throw new IScheduleError(400, ["version-not-supported"], `the version is 1.0, found ${version.slice(0, 20)}`);
}

/** Reads a request: whom it comes from, whom it is for, and that the message in it says the same. `mayBeOld`: it comes from a peer that is
 *  known by its address, which may say both in the message alone. */
export function readIncoming({ headers }: HttpRequest, bytes: Uint8Array, mayBeOld: boolean): Incoming {
  const isOld = mayBeOld && headers["originator"] === undefined && headers["recipient"] === undefined;
  const message = read(bytes);
  const isOrganizers = isOrganizerMethod(message.method);
  const { organizer, attendees, root, method } = message;
  const [attendee] = attendees;
  const sender = (isOrganizers ? organizer : attendee)?.value.trim() ?? "";
  const others = (isOrganizers ? attendees : [organizer]).map(({ value }) => value.trim());
  if (!isOrganizers && attendees.length !== 1)
    throw new IScheduleError(
      400,
      ["invalid-scheduling-message", "valid-scheduling-message"],
      `a ${method} has one ATTENDEE`,
    );
  const originator = isOld ? sender : originatorIn(headers["originator"]);
  const recipients = isOld ? others : recipientsIn(headers["recipient"]);
  if (same(originator) !== same(sender))
    throw new IScheduleError(
      403,
      ["originator-denied", "originator-specified"],
      `the Originator is ${originator.slice(0, 100)}, the message is from ${sender.slice(0, 100)}`,
    );
  const named = new Map(others.map((address) => [same(address), address]));
  const meant = recipients.map((recipient) => {
    const found = named.get(same(recipient));
    if (found === undefined)
      throw new IScheduleError(
        400,
        ["recipient-mismatch", "recipient-specified"],
        `the Recipient ${recipient.slice(0, 100)} is not in the message`,
      );
    return found;
  });
  const isRefresh = headers["x-calendarserver-itip-refreshonly"]?.trim() === "T";
  const says = isRefresh ? { isRefresh, instances: [] } : undefined;
  const itip: ItipMessage = { method, originator: sender, recipients: meant, root, says };
  return { originator: sender, recipients: meant, message, itip, isOld };
}

/** Headers hold addresses percent-encoded where they must. */
function same(address: string): string {
  try {
    return normaliseAddress(decodeURIComponent(address));
  } catch {
    return normaliseAddress(address);
  }
}

function originatorIn(header: string | undefined): string {
  const text = header?.trim() ?? "";
  if (text === "")
    throw new IScheduleError(400, ["originator-missing", "originator-specified"], "there is no Originator header");
  if (text.includes(","))
    throw new IScheduleError(400, ["too-many-originators", "originator-specified"], "there is one Originator");
  return text;
}

function recipientsIn(header: string | undefined): readonly string[] {
  const found = (header ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
  if (found.length === 0)
    throw new IScheduleError(400, ["recipient-missing", "recipient-specified"], "there is no Recipient header");
  if (found.length > mostRecipients)
    throw new IScheduleError(
      403,
      ["too-many-recipients", "max-recipients"],
      `there are more than ${mostRecipients} recipients`,
    );
  return [...new Set(found)];
}

function read(bytes: Uint8Array): Message {
  if (!isUtf8(bytes))
    throw new IScheduleError(400, ["invalid-calendar-data", "valid-calendar-data"], "the body is not UTF-8");
  try {
    return readMessage(Buffer.from(bytes).toString());
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const isMessage = error.reason.code === "valid-scheduling-message" || error.reason.code === "valid-organizer";
    throw new IScheduleError(
      400,
      isMessage
        ? ["invalid-scheduling-message", "valid-scheduling-message"]
        : ["invalid-calendar-data", "valid-calendar-data"],
      error.message,
    );
  }
}
