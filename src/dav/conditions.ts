import type { Href } from "../model/ids.ts";
import { privilegeName } from "../model/privilege.ts";
import type { Reason } from "../model/refusal.ts";
import { caldav, cs, dav, type Element, el, elWith, href, type QName } from "../xml/element.ts";

/** How a refusal is told over WebDAV (RFC 4918 §16): the status, the element inside DAV:error, a sentence for a person. */
export interface Condition {
  readonly status: number;
  readonly element: Element;
  readonly text: string;
}

type Of<C extends Reason["code"]> = Extract<Reason, { readonly code: C }>;
type Row<C extends Reason["code"]> = (reason: Of<C>) => Condition;

const forbidden = (name: QName, text: string): Condition => ({ status: 403, element: el(name), text });
const problem =
  (name: QName, status = 403) =>
  (reason: { readonly problem: string }): Condition => ({ status, element: el(name), text: reason.problem });
const atMost =
  (name: QName, what: string) =>
  (reason: { readonly limit: number }): Condition =>
    forbidden(name, `at most ${reason.limit} ${what}`);
const sameUid =
  (name: QName, text: string) =>
  ({ existing }: { readonly existing: Href | undefined }): Condition => ({
    status: 403,
    element: el(name, ...(existing === undefined ? [] : [href(existing)])),
    text: existing === undefined ? text : `${text}: ${existing}`,
  });
const fixed = (name: QName, status: number, text: string) => (): Condition => ({ status, element: el(name), text });

/** One row per reason: leave one out and this file stops compiling. RFC 6638 and calendarserver.org's ones on properties
 *  answer 409 as the original did; the rest is 403, and 507 where space is the reason (RFC 4331 §6). */
export const conditions: { readonly [C in Reason["code"]]: Row<C> } = {
  "supported-calendar-data": problem(caldav("supported-calendar-data")),
  "valid-calendar-data": problem(caldav("valid-calendar-data")),
  "valid-calendar-object-resource": problem(caldav("valid-calendar-object-resource")),
  "supported-calendar-component": ({ component }) => ({
    status: 403,
    element: el(caldav("supported-calendar-component"), elWith(caldav("comp"), { name: component })),
    text: `this calendar does not take ${component} components`,
  }),
  "no-uid-conflict": sameUid(caldav("no-uid-conflict"), "another object of this calendar has the same UID"),
  "calendar-collection-location-ok": problem(caldav("calendar-collection-location-ok")),
  "max-resource-size": atMost(caldav("max-resource-size"), "bytes per object"),
  "min-date-time": problem(caldav("min-date-time")),
  "max-date-time": problem(caldav("max-date-time")),
  "max-instances": atMost(caldav("max-instances"), "instances per object"),
  "max-attendees-per-instance": atMost(caldav("max-attendees-per-instance"), "attendees per instance"),
  "valid-filter": problem(caldav("valid-filter")),
  "supported-filter": problem(caldav("supported-filter")),
  "supported-collation": ({ collation }) =>
    forbidden(caldav("supported-collation"), `collation ${collation} is not known; see supported-collation-set`),
  "number-of-recurrences-within-limits": atMost(
    caldav("number-of-recurrences-within-limits"),
    "instances in an answer",
  ),
  "valid-timezone": problem(caldav("valid-timezone")),
  "supported-rscale": problem(caldav("supported-rscale")),
  "supported-report": problem(dav("supported-report")),
  "number-of-matches-within-limits": atMost(dav("number-of-matches-within-limits"), "resources in an answer"),
  "need-privileges": (reason) => ({
    status: 403,
    element: el(
      dav("need-privileges"),
      ...reason.privileges.map((privilege) =>
        el(dav("resource"), href(reason.href), el(dav("privilege"), el(privilegeName(privilege)))),
      ),
    ),
    text: `${reason.href} needs ${reason.privileges.join(", ")}`,
  }),
  "no-ace-conflict": problem(dav("no-ace-conflict")),
  "no-protected-ace-conflict": problem(dav("no-protected-ace-conflict")),
  "limited-number-of-aces": problem(dav("limited-number-of-aces")),
  "not-supported-privilege": problem(dav("not-supported-privilege")),
  "recognized-principal": problem(dav("recognized-principal")),
  "allowed-principal": problem(dav("allowed-principal")),
  "resource-must-be-null": problem(dav("resource-must-be-null")),
  "valid-resourcetype": problem(dav("valid-resourcetype")),
  "cannot-modify-protected-property": ({ name }) =>
    forbidden(dav("cannot-modify-protected-property"), `${name} is computed by the server`),
  "propfind-finite-depth": fixed(dav("propfind-finite-depth"), 403, "PROPFIND is answered with Depth 0 and 1"),
  "no-external-entities": fixed(dav("no-external-entities"), 403, "a document type or entity declaration is not read"),
  "valid-sync-token": fixed(
    dav("valid-sync-token"),
    403,
    "the sync token is not one of this collection, or too old: synchronise anew",
  ),
  "sync-traversal-supported": fixed(
    dav("sync-traversal-supported"),
    403,
    "sync-level infinite is not supported on this collection",
  ),
  "quota-not-exceeded": fixed(dav("quota-not-exceeded"), 507, "the calendar home's quota does not allow it"),
  "sufficient-disk-space": fixed(dav("sufficient-disk-space"), 507, "the server's disk is full"),
  "lock-token-submitted": ({ roots }) => ({
    status: 423,
    element: el(dav("lock-token-submitted"), ...roots.map(href)),
    text: "it is locked, and no token of the lock was submitted by who took it",
  }),
  "no-conflicting-lock": ({ roots }) => ({
    status: 423,
    element: el(dav("no-conflicting-lock"), ...roots.map(href)),
    text: "it is locked already",
  }),
  "lock-token-matches-request-uri": ({ refresh }) => ({
    status: refresh ? 412 : 409,
    element: el(dav("lock-token-matches-request-uri")),
    text: "the resource is not under a lock with this token",
  }),
  "default-calendar-needed": fixed(
    caldav("default-calendar-needed"),
    403,
    "the default calendar for scheduling cannot be deleted",
  ),
  "valid-schedule-default-calendar-URL": problem(caldav("valid-schedule-default-calendar-URL"), 409),
  "valid-calendar-url": problem(caldav("valid-calendar-url"), 409),
  "unique-scheduling-object-resource": sameUid(
    caldav("unique-scheduling-object-resource"),
    "another object of this user has the same UID",
  ),
  "same-organizer-in-all-components": problem(caldav("same-organizer-in-all-components")),
  "allowed-organizer-scheduling-object-change": problem(caldav("allowed-organizer-scheduling-object-change")),
  "allowed-attendee-scheduling-object-change": problem(caldav("allowed-attendee-scheduling-object-change")),
  "organizer-allowed": problem(caldav("organizer-allowed")),
  "valid-scheduling-message": problem(caldav("valid-scheduling-message"), 400),
  "valid-organizer": problem(caldav("valid-organizer")),
  "originator-allowed": fixed(caldav("originator-allowed"), 403, "scheduling messages are sent by who has signed in"),
  "attendee-allowed": problem(caldav("attendee-allowed")),
  "valid-action-parameter": problem(caldav("valid-action-parameter")),
  "valid-rid-parameter": problem(caldav("valid-rid-parameter")),
  "valid-managed-id-parameter": problem(caldav("valid-managed-id-parameter")),
  "valid-managed-id": problem(caldav("valid-managed-id")),
  "max-attachment-size": problem(caldav("max-attachment-size")),
  "max-attachments-per-resource": atMost(caldav("max-attachments-per-resource"), "attachments per object"),
  "valid-attachment-add": problem(caldav("valid-attachment-add")),
  "valid-attachment-update": problem(caldav("valid-attachment-update")),
  "valid-attachment-remove": problem(caldav("valid-attachment-remove")),
  "valid-access-restriction": problem(cs("valid-access-restriction")),
  "valid-access-restriction-change": problem(cs("valid-access-restriction-change")),
  "no-access-restrictions": problem(cs("no-access-restrictions")),
  "max-collections": atMost(cs("max-collections"), "collections per calendar home"),
  "max-resources": atMost(cs("max-resources"), "objects per calendar"),
};

/** The row of a reason. */
export function conditionOf(reason: Reason): Condition {
  // Each row takes just its own reason; the table's type guarantees that this row is the reason's.
  const row = conditions[reason.code] as (reason: Reason) => Condition;
  return row(reason);
}
