import { bodyOf } from "../../http/body.ts";
import { contentTypeOf } from "../../http/headers.ts";
import type { HttpRequest, HttpResponse } from "../../http/message.ts";
import type { Component } from "../../ical/component.ts";
import { jcalType, toJCal } from "../../ical/jcal.ts";
import { writeFolded } from "../../ical/write.ts";
import type { PrincipalUid } from "../../model/ids.ts";
import type { Principal } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Answer, OutboxServices } from "../../scheduling/outbox.ts";
import { answerBusyTime, checkSender, isSentByClients, pretendDelivery, sendMessage } from "../../scheduling/outbox.ts";
import { type BusyTimeRequest, isOrganizerMethod, type Message, readMessage } from "../../scheduling/outbox-message.ts";
import type { Collection } from "../../store/contract.ts";
import { CALDAV, DAV } from "../../xml/element.ts";
import { escapeText, xmlDeclaration } from "../../xml/write.ts";
import { collectionResource, memberResource, seenAs } from "../children.ts";
import { xmlType } from "../multistatus.ts";
import { makePrivileges } from "../privileges.ts";
import { product } from "../product.ts";
import type { Context, Services } from "../registry.ts";
import { floatingZoneOf } from "../reports/floating-zone.ts";
import { calendarUser, resolveHref } from "../resolve.ts";
import type { Shape } from "../resource.ts";
import { schedulingOf } from "./scheduled.ts";
import { calendarText } from "./upload.ts";

/** Bytes of a message where calendar objects have no bound. */
const largestMessage = 1_048_576;

/** POST to an outbox (RFC 6638 §5): busy time of the attendees of a VFREEBUSY. `Originator` and `Recipient` headers of the drafts are
 *  not looked at: the message says both. Other messages were delivered by POST in the drafts only; now PUT does it, and clients
 *  of then are told so while OldDraftCompatibility is on (as Calendar Server 2.4). */
export async function postToOutbox(
  outbox: Shape<"outbox">,
  context: Context,
  request: HttpRequest,
): Promise<HttpResponse> {
  const { settings } = context.services;
  if (context.user === undefined) throw new Refusal({ code: "originator-allowed" });
  const type = contentTypeOf(request.headers);
  const bytes = await bodyOf(request, settings.maxResourceSize ?? largestMessage, "max-resource-size");
  const message = readMessage(calendarText(bytes, type));
  const services = outboxServices(context);
  await checkSender(message, outbox.owner, services);
  request.log.items.push(`recipients=${message.attendees.length}`);
  const answers = await answersTo(message, outbox, context, request, services);
  const json = type?.type === jcalType;
  return { status: 200, headers: { "content-type": xmlType }, body: scheduleResponse(answers, json) };
}

async function answersTo(
  message: Message,
  { owner, href }: Shape<"outbox">,
  context: Context,
  request: HttpRequest,
  services: OutboxServices,
): Promise<readonly Answer[]> {
  const { user } = context;
  const { settings, warn } = context.services;
  const { method, kind, uid, attendees, busyTime } = message;
  if (busyTime !== undefined) return answerBusyTime(message, busyTime, owner, services);
  if (isSentByClients(message)) {
    const { may, maySend } = schedulingOf(request, { owner }, context);
    await maySend(isOrganizerMethod(method) ? "schedule-send-invite" : "schedule-send-reply");
    return sendMessage(message, context.services.scheduling, may);
  }
  if (!settings.scheduling.oldDraftCompatibility)
    throw new Refusal({
      code: "valid-scheduling-message",
      problem: `an outbox takes a REQUEST with one VFREEBUSY, found ${method} of ${kind}`,
    });
  const details = { method, kind, uid: uid.slice(0, 200), recipients: attendees.length, user: user?.shortName };
  warn("a scheduling message of an old client was answered, not delivered: that is done by PUT", {
    outbox: href,
    ...details,
  });
  return pretendDelivery(message);
}

/** Busy time of so many instances is told of one recipient: five years of a very busy one. */
const maxInstances = 10_000;

/** What who asks may know of others' busy time. */
export function outboxServices(context: Context): OutboxServices {
  const { store, directory, urls, settings, now, warn } = context.services;
  const { organizers, freeBusyAttendees, oldDraftCompatibility } = settings.scheduling;
  return {
    store,
    now,
    organizers,
    maxRecipients: freeBusyAttendees,
    maxInstances: Math.min(maxInstances, settings.maxQueryResults),
    floatingZoneOf,
    calendarUser: (address) => calendarUser(address, directory, urls),
    askElsewhere: (question, addresses) => context.services.scheduling.askElsewhere(question, addresses),
    may: async (collection, privilege, member) => {
      const resource = await resourceOf(collection, context);
      const entry = member === undefined ? undefined : await collection.entry(member);
      const granted = await context.privileges(entry === undefined ? resource : memberResource(resource, entry));
      if (granted.has(privilege)) return true;
      // The one privilege of the drafts, in ACLs of their time.
      return oldDraftCompatibility && privilege === "schedule-query-freebusy" && granted.has("schedule");
    },
    calendarAt: async (href) => {
      const found = await resolveHref(href, context);
      return found?.kind === "calendar" ? found.collection : undefined;
    },
    sharedAt: (link) => seenAs(link, context.services),
    failed: ({ shortName }, error) => warn("busy time could not be found out", { of: shortName, error }),
  };
}

/** Somebody whom nobody here knows. */
const stranger: Principal = {
  uid: "stranger" as PrincipalUid,
  type: "users",
  shortName: "stranger",
  fullName: "",
  firstName: undefined,
  lastName: undefined,
  emailAddresses: [],
  addresses: [],
  calendaring: false,
  autoSchedule: "none",
};

/** What is asked by somebody whom nobody here knows is asked as by anyone who has signed in: an owner who keeps his busy time from his
 *  colleagues keeps it from strangers, too. */
export const asStranger = (services: Services): Context => ({
  user: stranger,
  services,
  privileges: makePrivileges(stranger, services),
});

/** Busy time of people of this server for somebody of another one: what everybody may see who has signed in, and no more. Nobody else is
 *  asked. */
export function busyTimeForStranger(
  message: Message,
  busyTime: BusyTimeRequest,
  services: Services,
): Promise<readonly Answer[]> {
  const asked = { ...outboxServices(asStranger(services)), askElsewhere: async () => new Map() };
  return answerBusyTime(message, busyTime, undefined, asked);
}

const resourceOf = (collection: Collection, { services: { urls } }: Context) =>
  collectionResource(urls.collection(collection.ref), collection.ref.owner, collection);

const opening = `${xmlDeclaration}<schedule-response xmlns='${CALDAV}'>`;
const closing = "</schedule-response>\n";

/** Written without prefixes, every DAV element with its namespace on itself, as the original wrote it: scripts look for these very
 *  tags in the text. */
const scheduleResponse = (answers: readonly Answer[], json: boolean): string =>
  `${opening}${answers.map((answer) => response(answer, json)).join("")}${closing}`;

function response({ recipient, status, condition, freeBusy }: Answer, json: boolean): string {
  const href = `<href xmlns='${DAV}'>${escapeText(recipient.trim())}</href>`;
  const data = freeBusy === undefined ? "" : calendarData(freeBusy, json);
  const error = condition === undefined ? "" : `<error xmlns='${DAV}'><${condition} xmlns='${CALDAV}'/></error>`;
  return `<response><recipient>${href}</recipient><request-status>${status}</request-status>${data}${error}</response>`;
}

/** Octets of a line. The original folded one earlier than it had to, and texts are compared with its own. */
const lineOctets = 74;

function calendarData(freeBusy: Component, json: boolean): string {
  const text = writeFolded(
    {
      name: "VCALENDAR",
      properties: [line("VERSION", "2.0"), line("PRODID", product), line("METHOD", "REPLY")],
      components: [freeBusy],
      line: 0,
    },
    lineOctets,
  );
  if (json)
    return `<calendar-data content-type="${jcalType}" version="2.0">${escapeText(toJCal(text))}</calendar-data>`;
  // The line ends stand as they are. XML readers make LF of them, which clients have got from every original server.
  return `<calendar-data>${escapeText(text).replaceAll("&#13;\n", "\r\n")}</calendar-data>`;
}

const line = (name: string, value: string) => ({ name, parameters: [], value, line: 0 });
