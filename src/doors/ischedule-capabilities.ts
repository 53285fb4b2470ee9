import { formatUtc } from "../ical/time.ts";
import { utc } from "../model/ids.ts";
import { isched } from "../scheduling/ischedule/answers.ts";
import { type Element, el, elWith } from "../xml/element.ts";
import { writeXml } from "../xml/write.ts";

/** What the server tells others of itself. */
export interface Capabilities {
  readonly serial: number;
  /** Bytes of a message. */
  readonly maxContentLength: number;
  readonly maxInstances: number;
  readonly maxRecipients: number;
  /** Address of whom to ask. */
  readonly administrator: string;
}

const itip = ["REQUEST", "REPLY", "CANCEL", "ADD", "REFRESH", "COUNTER", "DECLINECOUNTER"] as const;
const named = (local: string, name: string, ...children: readonly Element[]): Element =>
  elWith(isched(local), { name }, ...children);
const year = 365 * 86_400;

/** The capabilities document. In the form of the later drafts (`capabilities`), which servers in use read. */
export function capabilitiesDocument(
  { serial, maxContentLength, maxInstances, maxRecipients, administrator }: Capabilities,
  now: number,
): string {
  const methods = itip.map((method) => named("method", method));
  const number = (local: string, value: number): Element => el(isched(local), String(value));
  return writeXml(
    el(
      isched("query-result"),
      el(
        isched("capabilities"),
        number("serial-number", serial),
        el(isched("versions"), el(isched("version"), "1.0")),
        el(
          isched("scheduling-messages"),
          named("component", "VEVENT", ...methods),
          named("component", "VTODO", ...methods),
          named("component", "VFREEBUSY", named("method", "REQUEST")),
        ),
        el(
          isched("calendar-data-types"),
          elWith(isched("calendar-data-type"), { "content-type": "text/calendar", version: "2.0" }),
        ),
        el(isched("attachments"), el(isched("inline")), el(isched("external"))),
        el(isched("supported-recipient-uri-scheme-set"), el(isched("scheme"), "mailto")),
        number("max-content-length", maxContentLength),
        el(isched("min-date-time"), formatUtc(utc(now - (now % 86_400) - 10 * year))),
        el(isched("max-date-time"), formatUtc(utc(now - (now % 86_400) + 20 * year))),
        number("max-instances", maxInstances),
        number("max-recipients", maxRecipients),
        el(isched("administrator"), administrator),
      ),
    ),
  );
}
