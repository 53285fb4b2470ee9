import type { Href } from "./ids.ts";
import type { Privilege } from "./privilege.ts";

/** Why the server says no, in the RFCs' own words. Knows no HTTP and no XML; `dav/conditions.ts` maps each to status and
 *  element. `problem` is a sentence for a person: it names the thing, the line, or the bound. */
export type Reason =
  // RFC 4791 §5.3.2.1 and §5.3.1.1
  | { readonly code: "supported-calendar-data"; readonly problem: string }
  | { readonly code: "valid-calendar-data"; readonly problem: string }
  | { readonly code: "valid-calendar-object-resource"; readonly problem: string }
  | { readonly code: "supported-calendar-component"; readonly component: string }
  /** `existing` is left out for who may not see it. */
  | { readonly code: "no-uid-conflict"; readonly existing: Href | undefined }
  | { readonly code: "calendar-collection-location-ok"; readonly problem: string }
  | { readonly code: "max-resource-size"; readonly limit: number }
  | { readonly code: "min-date-time"; readonly problem: string }
  | { readonly code: "max-date-time"; readonly problem: string }
  | { readonly code: "max-instances"; readonly limit: number }
  | { readonly code: "max-attendees-per-instance"; readonly limit: number }
  // RFC 4791 §7.8, §7.9
  | { readonly code: "valid-filter"; readonly problem: string }
  | { readonly code: "supported-filter"; readonly problem: string; readonly name: string }
  | { readonly code: "supported-collation"; readonly collation: string }
  | { readonly code: "number-of-recurrences-within-limits"; readonly limit: number }
  // RFC 7809 §5
  | { readonly code: "valid-timezone"; readonly problem: string }
  // RFC 7529 §4
  | { readonly code: "supported-rscale"; readonly problem: string }
  // RFC 3253, RFC 3744, RFC 4918, RFC 5689, RFC 5842, RFC 6578, RFC 4331
  | { readonly code: "supported-report"; readonly problem: string }
  | { readonly code: "number-of-matches-within-limits"; readonly limit: number }
  | { readonly code: "need-privileges"; readonly href: Href; readonly privileges: readonly Privilege[] }
  | { readonly code: "no-ace-conflict"; readonly problem: string }
  | { readonly code: "no-protected-ace-conflict"; readonly problem: string }
  | { readonly code: "limited-number-of-aces"; readonly problem: string }
  | { readonly code: "not-supported-privilege"; readonly problem: string }
  | { readonly code: "recognized-principal"; readonly problem: string }
  | { readonly code: "allowed-principal"; readonly problem: string }
  | { readonly code: "resource-must-be-null"; readonly problem: string }
  | { readonly code: "valid-resourcetype"; readonly problem: string }
  | { readonly code: "cannot-modify-protected-property"; readonly name: string }
  | { readonly code: "propfind-finite-depth" }
  | { readonly code: "no-external-entities" }
  | { readonly code: "valid-sync-token" }
  | { readonly code: "sync-traversal-supported" }
  | { readonly code: "quota-not-exceeded" }
  | { readonly code: "sufficient-disk-space" }
  // RFC 4918 §16. `inside`: `roots` lie below what the request is about, which is not locked itself.
  | { readonly code: "lock-token-submitted"; readonly roots: readonly Href[]; readonly inside: boolean }
  | { readonly code: "no-conflicting-lock"; readonly roots: readonly Href[]; readonly inside: boolean }
  | { readonly code: "lock-token-matches-request-uri"; readonly refresh: boolean }
  // RFC 6638
  | { readonly code: "default-calendar-needed" }
  | { readonly code: "valid-schedule-default-calendar-URL"; readonly problem: string }
  | { readonly code: "valid-calendar-url"; readonly problem: string }
  | { readonly code: "unique-scheduling-object-resource"; readonly existing: Href | undefined }
  | { readonly code: "same-organizer-in-all-components"; readonly problem: string }
  | { readonly code: "allowed-organizer-scheduling-object-change"; readonly problem: string }
  | { readonly code: "allowed-attendee-scheduling-object-change"; readonly problem: string }
  | { readonly code: "organizer-allowed"; readonly problem: string }
  | { readonly code: "valid-scheduling-message"; readonly problem: string }
  | { readonly code: "valid-organizer"; readonly problem: string }
  // its drafts
  | { readonly code: "originator-allowed" }
  | { readonly code: "attendee-allowed"; readonly problem: string }
  // RFC 8607 §3.11, and what the original called a change that is not the asker's to make
  | { readonly code: "valid-action-parameter"; readonly problem: string }
  | { readonly code: "valid-rid-parameter"; readonly problem: string }
  | { readonly code: "valid-managed-id-parameter"; readonly problem: string }
  | { readonly code: "valid-managed-id"; readonly problem: string }
  | { readonly code: "max-attachment-size"; readonly problem: string }
  | { readonly code: "max-attachments-per-resource"; readonly limit: number }
  | { readonly code: "valid-attachment-add"; readonly problem: string }
  | { readonly code: "valid-attachment-update"; readonly problem: string }
  | { readonly code: "valid-attachment-remove"; readonly problem: string }
  // calendarserver.org
  | { readonly code: "valid-access-restriction"; readonly problem: string }
  | { readonly code: "valid-access-restriction-change"; readonly problem: string }
  | { readonly code: "no-access-restrictions"; readonly problem: string }
  | { readonly code: "max-collections"; readonly limit: number }
  | { readonly code: "max-resources"; readonly limit: number };

/** A domain "no". Thrown from any floor, answered in one place. */
export class Refusal extends Error {
  readonly reason: Reason;
  constructor(reason: Reason, options?: ErrorOptions) {
    super("problem" in reason ? `${reason.code}: ${reason.problem}` : reason.code, options);
    this.name = "Refusal";
    this.reason = reason;
  }
}
