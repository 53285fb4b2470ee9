import type { PrincipalUid } from "../model/ids.ts";
import { type AutoSchedule, autoScheduleModes, type Principal, type RecordType } from "../model/principal.ts";
import { type Element, elements, localOf, textOf } from "../xml/element.ts";
import { readXmlLines } from "../xml/read.ts";
import { addressesOf, isName } from "./record-parts.ts";
import { uuid5 } from "./uuid5.ts";

/** A record of accounts.xml. */
export interface AccountRecord {
  readonly principal: Principal;
  /** All login names; the first one is the principal's `shortName`. */
  readonly shortNames: readonly string[];
  /** Clear text or hashes; any of them signs the user in. */
  readonly passwords: readonly string[];
  /** Names that other services know the user by, such as `Kerberos:alice@OTHER.REALM`. */
  readonly authIds: readonly string[];
  /** Of a group; by type and short name, as written. */
  readonly members: readonly MemberName[];
  readonly writeProxies: readonly MemberName[];
  readonly readProxies: readonly MemberName[];
  /** Where the record begins, from 1. */
  readonly line: number;
}

export interface MemberName {
  readonly type: RecordType;
  readonly name: string;
}

export interface Accounts {
  readonly realm: string;
  readonly records: readonly AccountRecord[];
}

/** What is left out or read differently than somebody may have meant, with the line. */
export type Warn = (line: number, message: string) => void;

// The original's constant: GUIDs of records without one are derived from it, the realm, the type and the names.
const xmlServiceNamespace = "9CA8DEC5-5A17-43A9-84A8-BE77C1FB9172";

/** The most records one element with `repeat` makes. */
const maxRepeat = 100_000;

const recordElements: Readonly<Record<string, RecordType>> = {
  user: "users",
  group: "groups",
  location: "locations",
  resource: "resources",
};

/** Reads the text of an accounts.xml of Darwin Calendar Server 1.2 or 2.4 (and the auto-schedule-mode of 3.x).
 *  Elements and values it does not know are warned of and left out, and so are records without a short name.
 *  Throws XmlError, or Error("line …: …") when the root is not `accounts`.
 *
 *  Users, locations and resources have calendars unless the record says `<disable-calendar/>`; groups have none unless it
 *  says `<enable-calendar/>`: in 2.4 a group never had one, and the 1.2 files that the guide speaks of name the few that do. */
export function readAccounts(text: string | Uint8Array, warn: Warn): Accounts {
  const { root, lineOf } = readXmlLines(text, { depth: 8, elements: 5_000_000, doctype: "skip" });
  if (localOf(root.name) !== "accounts")
    throw new Error(`line ${lineOf(root)}: the root element must be <accounts>, found <${localOf(root.name)}>`);
  const realm = root.attributes["realm"] ?? "";
  if (realm === "") warn(lineOf(root), "<accounts> has no realm attribute; clients will be shown an empty realm");
  const service = uuid5(xmlServiceNamespace, realm);
  const records: AccountRecord[] = [];
  for (const element of elements(root)) {
    const type = Object.hasOwn(recordElements, localOf(element.name))
      ? recordElements[localOf(element.name)]
      : undefined;
    if (type === undefined) {
      warn(lineOf(element), `<${localOf(element.name)}> is not a kind of record, left out`);
      continue;
    }
    const draft = readDraft(element, type, lineOf, warn);
    const times = repeats(element, lineOf(element), warn);
    if (times === undefined) {
      const record = recordOf(draft, (value) => value, service, warn);
      if (record !== undefined) records.push(record);
      continue;
    }
    for (let number = 1; number <= times; number++) {
      const record = recordOf(draft, (value) => numbered(value, number), service, warn);
      if (record === undefined) break;
      records.push(record);
    }
  }
  return { realm, records };
}

/** The texts of a record element, `repeat` not applied. */
interface Draft {
  readonly type: RecordType;
  readonly line: number;
  readonly uids: string[];
  readonly emailAddresses: string[];
  readonly addresses: string[];
  readonly members: MemberName[];
  readonly writeProxies: MemberName[];
  readonly readProxies: MemberName[];
  readonly passwords: string[];
  readonly authIds: string[];
  guid?: string;
  name?: string;
  firstName?: string;
  lastName?: string;
  autoSchedule: AutoSchedule | undefined;
  accepts: boolean;
  calendaring: boolean;
}

const off = new Set(["false", "no", "0"]);
/** `<auto-schedule/>` switches on, `<auto-schedule>false</auto-schedule>` does not. */
const isOn = (element: Element): boolean => !off.has(valueIn(element).toLowerCase());

const valueIn = (element: Element): string => textOf(element).trim();

function readDraft(record: Element, type: RecordType, lineOf: (element: Element) => number, warn: Warn): Draft {
  const draft: Draft = {
    type,
    line: lineOf(record),
    uids: [],
    passwords: [],
    authIds: [],
    emailAddresses: [],
    addresses: [],
    members: [],
    writeProxies: [],
    readProxies: [],
    autoSchedule: undefined,
    accepts: false,
    calendaring: type !== "groups",
  };
  for (const element of elements(record)) {
    const value = valueIn(element);
    const name = localOf(element.name);
    switch (name) {
      case "uid":
        if (value !== "") draft.uids.push(value);
        break;
      case "guid":
        if (value !== "") draft.guid = value;
        break;
      case "password":
        // Not trimmed: blanks are part of a password.
        if (textOf(element) !== "") draft.passwords.push(textOf(element));
        break;
      case "auth-id":
        if (value !== "") draft.authIds.push(value);
        break;
      case "name":
        draft.name = value;
        break;
      case "first-name":
        draft.firstName = value;
        break;
      case "last-name":
        draft.lastName = value;
        break;
      case "email-address":
        if (value !== "") draft.emailAddresses.push(value);
        break;
      case "cuaddr":
        if (value !== "") draft.addresses.push(value);
        break;
      case "auto-schedule":
        draft.accepts = isOn(element);
        break;
      case "auto-schedule-mode":
        draft.autoSchedule = autoScheduleModes.find((mode) => mode === value.toLowerCase());
        if (draft.autoSchedule === undefined)
          warn(
            lineOf(element),
            `<auto-schedule-mode> must be one of ${autoScheduleModes.join(", ")}, found "${value}"`,
          );
        break;
      case "disable-calendar":
        if (isOn(element)) draft.calendaring = false;
        break;
      case "enable-calendar":
        draft.calendaring = isOn(element);
        break;
      case "members":
        if (type === "groups") readMembers(element, draft.members, lineOf, warn);
        else warn(lineOf(element), "<members> means something in a <group> only, left out");
        break;
      case "proxies":
        readMembers(element, draft.writeProxies, lineOf, warn);
        break;
      case "read-only-proxies":
        readMembers(element, draft.readProxies, lineOf, warn);
        break;
      case "auto-accept-group":
        // Of 3.x: invitations from its members are accepted whatever the mode. Read by scheduling, not by the directory.
        break;
      default:
        warn(lineOf(element), `<${name}> is not known in a record, left out`);
    }
  }
  return draft;
}

function readMembers(list: Element, into: MemberName[], lineOf: (element: Element) => number, warn: Warn): void {
  for (const element of elements(list)) {
    const name = valueIn(element);
    const written = element.attributes["type"] ?? "users";
    const type = Object.values(recordElements).find((known) => known === written);
    if (localOf(element.name) !== "member")
      warn(lineOf(element), `<${localOf(element.name)}> is not a <member>, left out`);
    else if (type === undefined)
      warn(lineOf(element), `<member> must have a type users, groups, locations or resources, found "${written}"`);
    else if (name !== "") into.push({ type, name });
  }
}

/** The number in the attribute; undefined: the record stands for itself, and "%" in it means nothing. */
function repeats(record: Element, line: number, warn: Warn): number | undefined {
  const written = record.attributes["repeat"];
  if (written === undefined) return undefined;
  const times = /^\d{1,9}$/.test(written.trim()) ? Number(written) : 0;
  if (times >= 1 && times <= maxRepeat) return times === 1 ? undefined : times;
  warn(line, `repeat must be a whole number from 1 to ${maxRepeat}, found "${written}"; the record is read once`);
  return undefined;
}

/** Puts the number where the text has a printf directive: `%d`, `%02d`, `%i`, `%s`, `%x`; `%%` is a percent sign. */
export const numbered = (text: string, number: number): string =>
  text.replace(/%(?:%|(0?)(\d{0,2})([disxX]))/g, (_, zero: string | undefined, width = "", kind?: string) => {
    if (kind === undefined) return "%";
    const digits =
      kind === "x" ? number.toString(16) : kind === "X" ? number.toString(16).toUpperCase() : String(number);
    return digits.padStart(Number(width), zero === "0" ? "0" : " ");
  });

function recordOf(
  draft: Draft,
  fill: (text: string) => string,
  service: string,
  warn: Warn,
): AccountRecord | undefined {
  const shortNames = draft.uids.map(fill);
  const shortName = shortNames[0];
  if (shortName === undefined) {
    warn(draft.line, "a record without <uid> is left out");
    return undefined;
  }
  // 2.4 joins all names; with a single one that is what 1.2 did.
  const guid = draft.guid === undefined ? uuid5(service, `${draft.type}:${shortNames.join(",")}`) : fill(draft.guid);
  // 2.4 pads: its folders are named after the first four characters.
  const uid = guid.padEnd(4, "?") as PrincipalUid;
  const unsafe = [...shortNames, uid].find((name) => !isName(name));
  if (unsafe !== undefined) {
    warn(
      draft.line,
      `a record whose name or GUID has a slash or is "." or ".." is left out: ${JSON.stringify(unsafe)}`,
    );
    return undefined;
  }
  const optional = (text: string | undefined): string | undefined =>
    text === undefined || text === "" ? undefined : fill(text);
  return {
    principal: {
      uid,
      type: draft.type,
      shortName,
      fullName: optional(draft.name) ?? shortName,
      firstName: optional(draft.firstName),
      lastName: optional(draft.lastName),
      ...addressesOf(uid, draft.emailAddresses.map(fill), draft.addresses.map(fill)),
      calendaring: draft.calendaring,
      autoSchedule: draft.autoSchedule ?? (draft.accepts ? "automatic" : "none"),
    },
    shortNames,
    passwords: draft.passwords.map(fill),
    authIds: draft.authIds.map(fill),
    members: draft.members,
    writeProxies: draft.writeProxies,
    readProxies: draft.readProxies,
    line: draft.line,
  };
}
