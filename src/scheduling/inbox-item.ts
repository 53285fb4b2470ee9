import type { CalendarObject } from "../ical/calendar-object.ts";
import type { MessageSummary, Method } from "../itip/message.ts";
import type { Key } from "../itip/series.ts";
import type { Collection } from "../store/contract.ts";
import { cs, type Element, el, elWith, type QName } from "../xml/element.ts";

/** A message as its recipient finds it in his inbox until he puts it away. RFC 6638 §4 */
export interface InboxItem {
  /** With METHOD. */
  readonly object: CalendarObject;
  readonly method: Method;
  readonly originator: string;
  readonly says: MessageSummary | undefined;
  /** Of a REPLY: what it changed. */
  readonly answered: readonly AnsweredInstance[];
  /** Text of the DTSTAMP. */
  readonly stamp: string;
}

export interface AnsweredInstance {
  /** RECURRENCE-ID, in UTC; undefined is the master. */
  readonly id: string | undefined;
  readonly partstat: boolean;
  readonly comment: boolean;
}

const changesName: QName = cs("schedule-changes");

/** Puts an item into an inbox. Of one name there is one: a message delivered again after a crash does not come twice. */
export async function putInboxItem(inbox: Collection, name: string, item: InboxItem): Promise<void> {
  // Originator and recipient, which the drafts had as properties, are in the text: RFC 6638 has them no more, and each attribute of
  // a file costs as much as its name in the directory.
  const properties = new Map<QName, Element>([[changesName, changesOf(item)]]);
  const staged = await inbox.stage(Buffer.from(item.object.text), properties);
  try {
    await inbox.change((change) => change.put(name, staged, item.object));
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** caldav-schedulingchanges: what the message is about, for clients that show it. */
function changesOf({ method, says, originator, answered, stamp }: InboxItem): Element {
  return el(changesName, el(cs("dtstamp"), stamp), el(cs("action"), actionOf(method, says, originator, answered)));
}

const keyElement = (key: Key, id: string | undefined): Element =>
  key === "master" || id === undefined ? el(cs("master")) : el(cs("recurrenceid"), id);

function actionOf(
  method: Method,
  says: MessageSummary | undefined,
  originator: string,
  answered: readonly AnsweredInstance[],
): Element {
  if (method === "CANCEL") {
    const instances = says?.instances ?? [];
    return el(cs("cancel"), ...instances.map(({ key, id }) => el(cs("recurrence"), keyElement(key, id))));
  }
  if (method === "REPLY")
    return el(
      cs("reply"),
      el(cs("attendee"), originator),
      ...answered.map(({ id, partstat, comment }) =>
        el(
          cs("recurrence"),
          id === undefined ? el(cs("master")) : el(cs("recurrenceid"), id),
          el(
            cs("changes"),
            ...(partstat ? [property("ATTENDEE", "PARTSTAT")] : []),
            ...(comment ? [property("X-CALENDARSERVER-PRIVATE-COMMENT")] : []),
          ),
        ),
      ),
    );
  if (says === undefined) return el(cs("create"));
  return el(
    cs("update"),
    ...says.instances.map(({ key, id, properties, attendees }) =>
      el(
        cs("recurrence"),
        keyElement(key, id),
        el(
          cs("changes"),
          ...properties.map((named) => property(...named.split(";"))),
          ...(attendees === "none"
            ? []
            : [attendees === "partstat" ? property("ATTENDEE", "PARTSTAT") : property("ATTENDEE")]),
        ),
      ),
    ),
  );
}

const property = (name = "", ...parameters: readonly string[]): Element =>
  elWith(cs("changed-property"), { name }, ...parameters.map((one) => elWith(cs("changed-parameter"), { name: one })));
