import type { Component } from "../../ical/component.ts";
import { readCalendar } from "../../ical/read.ts";
import { writeComponent } from "../../ical/write.ts";
import { normaliseAddress } from "../../model/principal.ts";
import { CALDAV, DAV, type Element, el, elements, localOf, type QName, textOf } from "../../xml/element.ts";
import { readXml } from "../../xml/read.ts";
import { writeXml } from "../../xml/write.ts";

export const ISCHEDULE = "urn:ietf:params:xml:ns:ischedule";
export const isched = (local: string): QName => `{${ISCHEDULE}}${local}`;

/** What is said of one recipient in a schedule-response (draft-desruisseaux-ischedule §8.1.1). */
export interface RecipientAnswer {
  readonly recipient: string;
  /** A request status, code and text. */
  readonly status: string;
  readonly freeBusy?: Component;
}

const statusText = /^\d\.\d{1,2}(\.\d{1,2})?(;[^\r\n]*)?$/;
/** Of an answer about busy time. What else a peer says of the object is not passed on. */
const busyProperties = new Set(["DTSTAMP", "DTSTART", "DTEND", "UID", "ORGANIZER", "ATTENDEE", "FREEBUSY", "COMMENT"]);

/** Reads a schedule-response, by recipient (normalised). In whatever namespace: servers of before the drafts used CalDAV's. Throws for
 *  what is none. */
export function readAnswers(body: Uint8Array): ReadonlyMap<string, RecipientAnswer> {
  const root = readXml(body);
  if (localOf(root.name) !== "schedule-response")
    throw new Error(`the answer is a schedule-response, found ${localOf(root.name).slice(0, 40)}`);
  const answers = new Map<string, RecipientAnswer>();
  for (const response of elements(root)) {
    const named = (name: string): Element | undefined => elements(response).find((one) => localOf(one.name) === name);
    const recipient = textOf(named("recipient") ?? "").trim();
    const status = textOf(named("request-status") ?? "").trim();
    if (recipient === "" || !statusText.test(status)) continue;
    const data = named("calendar-data");
    const freeBusy = data === undefined ? undefined : busyTimeIn(textOf(data));
    answers.set(normaliseAddress(recipient), { recipient, status, ...(freeBusy === undefined ? {} : { freeBusy }) });
  }
  return answers;
}

function busyTimeIn(text: string): Component | undefined {
  const { components } = readCalendar(text.trim());
  const found = components.find(({ name }) => name === "VFREEBUSY");
  return (
    found && { ...found, components: [], properties: found.properties.filter(({ name }) => busyProperties.has(name)) }
  );
}

const line = (name: string, value: string) => ({ name, parameters: [], value, line: 0 });

/** Writes one. `isOld`: as the servers of before the drafts did, in the namespaces of CalDAV. */
export function writeAnswers(answers: readonly RecipientAnswer[], isOld: boolean, product: string): string {
  const name = (local: string): QName => (isOld ? `{${CALDAV}}${local}` : isched(local));
  const responses = answers.map(({ recipient, status, freeBusy }) =>
    el(
      name("response"),
      el(name("recipient"), isOld ? el(`{${DAV}}href`, recipient) : recipient),
      el(name("request-status"), status),
      ...(freeBusy === undefined ? [] : [el(name("calendar-data"), busyTimeText(freeBusy, product))]),
    ),
  );
  return writeXml(el(name("schedule-response"), ...responses));
}

const busyTimeText = (freeBusy: Component, product: string): string =>
  writeComponent({
    name: "VCALENDAR",
    properties: [line("VERSION", "2.0"), line("PRODID", product), line("METHOD", "REPLY")],
    components: [freeBusy],
    line: 0,
  });
