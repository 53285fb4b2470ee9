import { randomUUID } from "node:crypto";
import { yieldToLoop } from "../base/stream.ts";
import type { BusyPeriod } from "../ical/busy.ts";
import { freeBusyComponent, mergeBusy } from "../ical/busy.ts";
import type { Busy, Instance } from "../ical/calendar-object.ts";
import { type Component, type Property, propertyOf } from "../ical/component.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import { formatUtc } from "../ical/time.ts";
import { writeComponent } from "../ical/write.ts";
import type { Zone } from "../ical/zones.ts";
import type { TimeRange, Utc } from "../model/ids.ts";
import { normaliseAddress, type Principal, type RecordType } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import type { CalendarStore, Collection } from "../store/contract.ts";
import { unavailableTime } from "./availability.ts";
import { addressElsewhere, type BusyAnswer, type BusyQuestion } from "./channels.ts";
import { type BusyCalendar, busyTime } from "./free-busy.ts";
import { type CalendarAt, freeBusySet, type SharedAt } from "./free-busy-set.ts";
import type { Scheduling } from "./implicit.ts";
import { type BusyTimeRequest, isOrganizerMethod, type Message } from "./outbox-message.ts";
import type { MayDeliver } from "./services.ts";

/** What a message from an outbox is answered with, and on whose behalf. */
export interface OutboxServices {
  readonly store: CalendarStore;
  readonly now: () => Utc;
  /** Whom a calendar user address means, in any of its forms; undefined: nobody here. */
  calendarUser(address: string): Promise<Principal | undefined>;
  /** Whether who sends the message has the privilege on a collection. */
  may(
    collection: Collection,
    privilege: "schedule-query-freebusy" | "read-free-busy",
    member?: string,
  ): Promise<boolean>;
  /** Asks the servers of people who are not here; a promise for each whom one is known for. */
  askElsewhere(question: BusyQuestion, addresses: readonly string[]): Promise<ReadonlyMap<string, Promise<BusyAnswer>>>;
  readonly calendarAt: CalendarAt;
  readonly sharedAt: SharedAt;
  /** The zone in which a collection's floating times are read. */
  floatingZoneOf(collection: Collection): Promise<Zone>;
  /** Told when the busy time of somebody could not be found out. */
  failed(calendarUser: Principal, error: unknown): void;
  /** Who may be an organizer. */
  readonly organizers: readonly RecordType[];
  /** Recipients that are answered; those behind them hear that the service is not available. */
  readonly maxRecipients: number;
  /** Instances looked at for one recipient. */
  readonly maxInstances: number;
}

/** What one recipient's answer is (RFC 6638 §10.2). */
export interface Answer {
  /** The address as the message has it. */
  readonly recipient: string;
  /** A REQUEST-STATUS (RFC 5545 §3.8.8.3), code and text: clients show and compare the text too. */
  readonly status: string;
  /** Why not, in the words of the drafts of RFC 6638. */
  readonly condition?: "recipient-exists" | "recipient-permissions" | "recipient-failed";
  /** The VFREEBUSY of a METHOD:REPLY. */
  readonly freeBusy?: Component;
}

const delivered = "1.2;Scheduling message has been delivered";
const success = "2.0;Success";
const unknownUser = { status: "3.7;Invalid Calendar User", condition: "recipient-exists" } as const;
const noAuthority = { status: "3.8;No authority", condition: "recipient-permissions" } as const;
const unavailable = { status: "5.1;Service unavailable", condition: "recipient-failed" } as const;

/** Throws Refusal unless the owner of the outbox may send the message: as its organizer (valid-organizer, RFC 6638 §5.2.2), or as
 *  its one attendee (attendee-allowed). The organizer is a calendar user of this server in any case. */
export async function checkSender(message: Message, owner: Principal, services: OutboxServices): Promise<void> {
  const { method, organizer, attendees } = message;
  const refused = (problem: string): Refusal => new Refusal({ code: "valid-organizer", problem });
  const principal = await services.calendarUser(organizer.value);
  if (principal === undefined) throw refused(`${shown(organizer)} is no calendar user of this server`);
  if (isOrganizerMethod(method)) {
    if (principal.uid !== owner.uid) throw refused(`${shown(organizer)} does not own this outbox`);
    if (!services.organizers.includes(owner.type))
      throw refused(`${owner.type} are not organizers; see Scheduling/Options in the configuration`);
    return;
  }
  const [attendee, ...others] = attendees;
  const sender = attendee && (await services.calendarUser(attendee.value));
  if (sender?.uid !== owner.uid || others.length > 0)
    throw new Refusal({
      code: "attendee-allowed",
      problem: `a ${method} has one ATTENDEE, who owns this outbox`,
    });
}

const shown = ({ value }: Property): string => JSON.stringify(value.slice(0, 100));

/** Busy time of each attendee (RFC 6638 §5), in order. `owner`: of the outbox, the organizer; undefined: he is of another server. */
export async function answerBusyTime(
  message: Message,
  asked: BusyTimeRequest,
  owner: Principal | undefined,
  services: OutboxServices,
): Promise<readonly Answer[]> {
  const request = { ...asked, message, organizer: owner };
  const elsewhere = await askOthers(message, asked, services);
  const answers = await ofRecipients(message.attendees, services, async (attendee) => {
    const { calendarUser } = services;
    const recipient = await calendarUser(attendee.value);
    if (recipient?.calendaring !== true) return unknownUser;
    try {
      return await answerOf(attendee, recipient, request, services);
    } catch (error) {
      services.failed(recipient, error);
      return unavailable;
    }
  });
  return Promise.all(answers.map(async (answer) => (await elsewhere.get(answer.recipient)) ?? answer));
}

/** Sends the question to the servers of those who are not here. Answers arrive while the others' busy time is read. */
async function askOthers(
  message: Message,
  { range }: BusyTimeRequest,
  { calendarUser, askElsewhere, maxRecipients }: OutboxServices,
): Promise<ReadonlyMap<string, Promise<Answer>>> {
  const others: string[] = [];
  for (const { value } of message.attendees.slice(0, maxRecipients))
    if (addressElsewhere(value, await calendarUser(value)) !== undefined) others.push(value);
  if (others.length === 0) return new Map();
  const text = (recipients: readonly string[]): string => {
    const isAsked = ({ name, value }: Property): boolean => name !== "ATTENDEE" || recipients.includes(value);
    const components = message.root.components.map((component) =>
      component.name === "VFREEBUSY" ? { ...component, properties: component.properties.filter(isAsked) } : component,
    );
    return writeComponent({ ...message.root, components });
  };
  const asked = await askElsewhere({ originator: message.organizer.value, range, text }, others);
  return new Map(
    [...asked].map(([address, answer]) => [
      address,
      answer.then(({ recipient, status, freeBusy }) => ({
        ...withCondition(recipient, status),
        ...(freeBusy === undefined ? {} : { freeBusy }),
      })),
    ]),
  );
}

function withCondition(recipient: string, status: string): Answer {
  const code = status.split(";")[0];
  const found = [unknownUser, noAuthority, unavailable].find((one) => one.status.split(";")[0] === code);
  return { recipient, status, ...(found === undefined ? {} : { condition: found.condition }) };
}

/** What no change of an object says, and a client therefore sends itself: proposals, questions, and what is only published. */
const ownMessages: ReadonlySet<string> = new Set(["COUNTER", "DECLINECOUNTER", "REFRESH", "ADD", "PUBLISH"]);

export const isSentByClients = ({ method, kind }: Message): boolean =>
  ownMessages.has(method) && kind !== "VFREEBUSY" && kind !== "VPOLL" && kind !== "VAVAILABILITY";

/** Delivers such a message: an organizer's to its attendees, an attendee's to its organizer. RFC 5546 §3 */
export async function sendMessage(
  { method, root, organizer, attendees }: Message,
  scheduling: Scheduling,
  may: MayDeliver,
): Promise<readonly Answer[]> {
  const isOrganizers = isOrganizerMethod(method);
  const recipients = (isOrganizers ? attendees : [organizer]).map(({ value }) => value);
  const originator = (isOrganizers ? organizer : attendees[0])?.value ?? "";
  const statusOf = await scheduling.send({ method, originator, recipients, root, says: undefined }, may);
  return recipients.map((recipient) => {
    return withCondition(recipient, statusOf(recipient) ?? unavailable.status);
  });
}

/** What clients of the drafts (iCal 3) are answered that deliver by POST what their PUT has delivered already. */
export const pretendDelivery = ({ attendees, kind }: Message): readonly Answer[] =>
  attendees.map(({ value }) => ({ recipient: value, status: kind === "VFREEBUSY" ? success : delivered }));

/** Recipients worked on at once: their files are read side by side, and a hundred of them hold no more memory than these. */
const width = 4;

async function ofRecipients(
  attendees: readonly Property[],
  { maxRecipients }: OutboxServices,
  answer: (attendee: Property) => Promise<Omit<Answer, "recipient">>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < attendees.length; at = next++) {
      const attendee = attendees[at] as Property;
      const recipient = attendee.value;
      answers[at] = { recipient, ...(at < maxRecipients ? await answer(attendee) : unavailable) };
      // What comes from an index comes without waiting, so other requests get their turn here.
      if (at < maxRecipients) await yieldToLoop();
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return answers;
}

interface Request extends BusyTimeRequest {
  readonly message: Message;
  readonly organizer: Principal | undefined;
}

async function answerOf(
  attendee: Property,
  recipient: Principal,
  request: Request,
  services: OutboxServices,
): Promise<Omit<Answer, "recipient">> {
  // Who has never been here is not busy, and asking makes nobody a home.
  const inbox = await services.store.open({ owner: recipient, path: ["inbox"] });
  if (inbox !== undefined && !(await services.may(inbox, "schedule-query-freebusy"))) return noAuthority;
  const { message, range } = request;
  const properties = [message.organizer, attendee];
  const header = { range, stamp: services.now(), uid: message.uid, properties };
  const empty = freeBusyComponent(header, []);
  const periods = await busyPeriods(recipient, inbox, request, services);
  return { status: success, freeBusy: { ...empty, properties: [...empty.properties, ...freeBusyLines(periods)] } };
}

/** Somebody's busy time as a VFREEBUSY, told outside any conversation; undefined when who asks may not have it. */
export async function freeBusyOf(
  of: Principal,
  attendee: Property,
  range: TimeRange,
  services: OutboxServices,
): Promise<Component | undefined> {
  const inbox = await services.store.open({ owner: of, path: ["inbox"] });
  if (inbox !== undefined && !(await services.may(inbox, "schedule-query-freebusy"))) return undefined;
  const periods = await busyPeriods(of, inbox, { range, maskUid: undefined, organizer: of }, services);
  const empty = freeBusyComponent({ range, stamp: services.now(), uid: randomUUID(), properties: [attendee] }, []);
  return { ...empty, properties: [...empty.properties, ...freeBusyLines(periods)] };
}

/** A question, also one that nobody wrote as a message. */
type Asked = Omit<Request, "message"> & Partial<Pick<Request, "message">>;

async function busyPeriods(
  recipient: Principal,
  inbox: Collection | undefined,
  request: Asked,
  services: OutboxServices,
): Promise<readonly BusyPeriod[]> {
  const { range } = request;
  const { maxInstances, floatingZoneOf } = services;
  const masked = new Map<Collection, string>();
  const calendars = countedCalendars(recipient, inbox, request, masked, services);
  const periods = await busyTime(calendars, range, {
    limit: maxInstances,
    leavesOut: (collection, name) => masked.get(collection) === name,
  });
  if (inbox === undefined) return periods;
  const away = await unavailableTime(inbox, range, await floatingZoneOf(inbox), maxInstances);
  if (away.length === 0) return periods;
  const instances = periods.map((period): Instance => ({ ...period, floating: false }));
  return mergeBusy([...instances, ...away], range);
}

async function* countedCalendars(
  recipient: Principal,
  inbox: Collection | undefined,
  { maskUid, organizer, message }: Asked,
  masked: Map<Collection, string>,
  services: OutboxServices,
): AsyncGenerator<BusyCalendar> {
  const { store, calendarAt, sharedAt, may, floatingZoneOf } = services;
  for await (const collection of freeBusySet(recipient, inbox, store, calendarAt, sharedAt)) {
    if ((await collection.info()).objects === 0 || !(await may(collection, "read-free-busy"))) continue;
    if (maskUid !== undefined) {
      const name = await collection.nameOf(maskUid);
      const asking = organizer ?? message?.organizer.value;
      if (name !== undefined && asking !== undefined && (await isMasked(collection, name, recipient, asking, services)))
        masked.set(collection, name);
    }
    // In a calendar that is shared with the recipient he does not see these himself.
    const withoutPrivate = collection.ref.owner.uid !== recipient.uid;
    const counts = (name: string): Promise<boolean> => may(collection, "read-free-busy", name);
    yield { collection, floatingZone: await floatingZoneOf(collection), withoutPrivate, counts };
  }
}

/** Only who invited to an event may look past it, and its owner past one without organizer: else the difference of two answers
 *  would tell what is in a calendar (icalendar-maskuids §4.3, §6). */
async function isMasked(
  collection: Collection,
  name: string,
  recipient: Principal,
  asking: Principal | string,
  { calendarUser }: OutboxServices,
): Promise<boolean> {
  const content = await collection.read(name);
  if (content === undefined) return false;
  const { master, overrides } = parseCalendarObject(content.bytes.toString());
  const [organizer] = (master === undefined ? overrides : [master, ...overrides]).flatMap(
    (component) => propertyOf(component, "ORGANIZER") ?? [],
  );
  if (typeof asking === "string")
    return organizer !== undefined && normaliseAddress(organizer.value) === normaliseAddress(asking);
  if (organizer === undefined) return recipient.uid === asking.uid;
  return (await calendarUser(organizer.value))?.uid === asking.uid;
}

const types: readonly Busy[] = ["BUSY-TENTATIVE", "BUSY", "BUSY-UNAVAILABLE"];

/** One FREEBUSY for each type, its periods as start and duration, as the original server wrote them: scheduling clients were tested
 *  with that. */
const freeBusyLines = (periods: readonly BusyPeriod[]): readonly Property[] =>
  types.flatMap((type) => {
    const own = periods.filter(({ busy }) => busy === type);
    if (own.length === 0) return [];
    const value = own.map((period) => `${formatUtc(period.start)}/${durationText(period)}`).join(",");
    return { name: "FREEBUSY", parameters: [{ name: "FBTYPE", values: [type] }], value, line: 0 };
  });

const daySeconds = 86_400;

function durationText({ start, end }: TimeRange): string {
  const length = end - start;
  const days = Math.floor(length / daySeconds);
  const hours = Math.floor((length % daySeconds) / 3600);
  const minutes = Math.floor((length % 3600) / 60);
  const seconds = length % 60;
  // Hours and seconds do not stand together without minutes (RFC 5545 §3.3.6).
  const hasMinutes = minutes > 0 || (hours > 0 && seconds > 0);
  const time = `${hours > 0 ? `${hours}H` : ""}${hasMinutes ? `${minutes}M` : ""}${seconds > 0 ? `${seconds}S` : ""}`;
  return `P${days > 0 ? `${days}D` : ""}${time === "" ? "" : `T${time}`}`;
}
