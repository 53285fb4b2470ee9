import type { Buffer } from "node:buffer";
import type { Entry } from "ldapts";
import type { PrincipalUid } from "../../model/ids.ts";
import {
  type AutoSchedule,
  autoScheduleModes,
  type Hosting,
  type Principal,
  type RecordType,
} from "../../model/principal.ts";
import { readPlist } from "../../xml/plist.ts";
import { addressesOf, isName, nameKey } from "../record-parts.ts";
import { uuid5 } from "../uuid5.ts";
import { guidText } from "./filters.ts";
import type { RecordPart, RecordTypeMap } from "./schema-map.ts";

/** A delegate as a record names it. */
export type Named = { readonly guid: string } | { readonly dn: string };

/** An entry of the directory server as a record. Plain data, so that two readings can be compared as texts. */
export interface LdapRecord {
  readonly dn: string;
  readonly principal: Principal;
  /** The entry has no GUID; the record's is a hash of its type and name. */
  readonly guidMade: boolean;
  /** Every name that finds the record by itself, as `nameOf` writes them. */
  readonly names: readonly string[];
  /** The account may sign in. */
  readonly enabled: boolean;
  /** All values of the attribute that the configuration names. Undefined: there may be some, and they are not known, since the
   *  record was kept by an earlier start of the server. */
  readonly passwords: readonly string[] | undefined;
  readonly writeDelegates: readonly Named[];
  readonly readDelegates: readonly Named[];
}

/** The form in which names are compared: directory servers overlook case. */
export const nameOf = (name: string): string => nameKey(name).toLowerCase();

export interface RecordOptions {
  readonly map: RecordTypeMap;
  /** UUID in which GUIDs of records without one are made. */
  readonly namespace: string;
  /** Present and non-empty: the calendars are here, and the value names the store. Undefined: not asked. */
  readonly localUserAttribute: string | undefined;
  /** Records whose server attribute names another host are that one's. */
  readonly serverHostName: string;
  /** The ServicesLocator values of this server; undefined: not asked. */
  readonly services: ReadonlySet<string> | undefined;
}

/** All values of an attribute. Servers answer with their own spelling of the name, and `;` options. */
export function valuesOf(entry: Entry, attribute: string): readonly (string | Buffer)[] {
  let value: Entry[string] | undefined = entry[attribute];
  if (value === undefined) {
    const wanted = attribute.toLowerCase();
    const spelled = Object.keys(entry).find((key) => key.toLowerCase() === wanted);
    value = spelled === undefined ? undefined : entry[spelled];
  }
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

const textsOf = (entry: Entry, attributes: readonly string[]): readonly string[] => {
  if (attributes.length === 0) return [];
  const texts = new Set<string>();
  for (const attribute of attributes)
    for (const value of valuesOf(entry, attribute)) {
      const text = (typeof value === "string" ? value : value.toString("utf8")).trim();
      if (text !== "") texts.add(text);
    }
  return [...texts];
};

/** As stored: blanks at their ends belong to them. */
const passwordsOf = (entry: Entry, attributes: readonly string[]): readonly string[] =>
  attributes
    .flatMap((attribute) => valuesOf(entry, attribute))
    .map((value) => (typeof value === "string" ? value : value.toString("utf8")))
    .filter((text) => text !== "");

const off = new Set(["false", "no", "0", "none", ""]);
/** The record, or a sentence why the entry is none. */
export function recordOf(entry: Entry, type: RecordType, options: RecordOptions): LdapRecord | string {
  const { attributes } = options.map;
  const texts = (part: RecordPart): readonly string[] => textsOf(entry, attributes[part]);
  const first = (part: RecordPart): string | undefined => {
    for (const attribute of attributes[part]) {
      const [text] = textsOf(entry, [attribute]);
      if (text !== undefined) return text;
    }
    return undefined;
  };

  const shortNames = namesInOrder(texts("shortNames"), entry.dn);
  const shortName = shortNames[0];
  if (shortName === undefined) return `has no ${attributes.shortNames.join(" or ")}`;
  // 2.4 joins all names of a record in its order; a server's order of values may change, so they are sorted.
  const guid = guidOf(entry, attributes.guid);
  const uid = (guid ?? uuid5(options.namespace, `${type}:${[...shortNames].sort().join(",")}`)).padEnd(
    4,
    "?",
  ) as PrincipalUid;
  const unsafe = [...shortNames, uid].find((name) => !isName(name));
  if (unsafe !== undefined) return `has a name with a slash or of dots only: ${JSON.stringify(unsafe)}`;

  const info = resourceInfo(first("resourceInfo"));
  const other = texts("addresses").map((address) => address.replace(/^smtp:/i, "mailto:"));
  // proxyAddresses has the primary address as SMTP:, and more kinds (x500:, sip:) that no calendar uses.
  const addresses = other.filter((address) => /^(?:mailto:|urn:|https?:|\/)/i.test(address));
  const calendaring = first("calendaring");
  const services = options.services;
  const served =
    services === undefined || texts("servicesLocator").some((service) => services.has(service.toLowerCase()));
  // In Open Directory the services are what enables a group.
  const isOn =
    calendaring === undefined ? type !== "groups" || services !== undefined : !off.has(calendaring.toLowerCase());
  const enabled = isOn && served;
  const hosting = hostingOf(entry, first("server"), type, enabled, options);
  return {
    dn: entry.dn,
    guidMade: guid === undefined,
    principal: {
      uid,
      type,
      shortName,
      fullName: first("fullName") ?? shortName,
      firstName: first("firstName"),
      lastName: first("lastName"),
      ...addressesOf(uid, texts("mail"), addresses),
      calendaring: enabled && hosting?.local !== false,
      autoSchedule: autoScheduleOf(first("autoSchedule")) ?? (info?.accepts === true ? "automatic" : "none"),
      ...(hosting === undefined ? {} : { hosting }),
    },
    names: [...new Set([...shortNames, ...(type === "users" ? texts("signInNames") : [])].map(nameOf))],
    enabled: isEnabled(texts("disabled"), first("accountControl")),
    passwords: type === "users" ? passwordsOf(entry, attributes.password) : [],
    writeDelegates: delegates(texts("writeDelegates"), info?.writer),
    readDelegates: delegates(texts("readDelegates"), info?.reader),
  };
}

/** Whether Exchange calls the entry a room or equipment; undefined: neither. */
export function mailboxTypeOf(entry: Entry, map: RecordTypeMap): RecordType | undefined {
  const [kind] = textsOf(entry, map.attributes.mailboxKind);
  return kind === "7" ? "locations" : kind === "8" ? "resources" : undefined;
}

function guidOf(entry: Entry, attributes: readonly string[]): string | undefined {
  for (const attribute of attributes) {
    const [value] = valuesOf(entry, attribute);
    const guid = value === undefined ? undefined : guidText(attribute, value);
    if (guid !== undefined) return guid;
  }
  return undefined;
}

/** The name in the DN first: servers give several values in no order. */
function namesInOrder(names: readonly string[], dn: string): readonly string[] {
  if (names.length < 2) return names;
  const rdn = /^[^=]+=((?:\\.|[^,+\\])*)/.exec(dn)?.[1]?.trim().toLowerCase();
  const named = names.find((name) => name.toLowerCase() === rdn);
  return named === undefined ? [...names].sort() : [named, ...names.filter((name) => name !== named).sort()];
}

function isEnabled(disabled: readonly string[], accountControl: string | undefined): boolean {
  // ADS_UF_ACCOUNTDISABLE (MS-ADTS §2.2.16).
  if (accountControl !== undefined && (Number(accountControl) & 2) !== 0) return false;
  return disabled.every((value) => {
    // Open Directory's authAuthority: `;Kerberosv5;…`, `1.0;ApplePasswordv2;…`, and when disabled `;DisabledUser;` in front.
    const authority = /^[\d.]*;([^;]*)/.exec(value)?.[1];
    if (authority !== undefined) return authority.toLowerCase() !== "disableduser";
    // A moment in pwdAccountLockedTime passes, and only signing in takes it away; the year 0 stands for an administrator's no.
    return off.has(value.toLowerCase()) || /^(?!0000)\d{12,14}(?:\.\d+)?Z$/i.test(value);
  });
}

function autoScheduleOf(value: string | undefined): AutoSchedule | undefined {
  if (value === undefined) return undefined;
  const text = value.toLowerCase();
  return autoScheduleModes.find((mode) => mode === text) ?? (off.has(text) ? "none" : "automatic");
}

function hostingOf(
  entry: Entry,
  server: string | undefined,
  type: RecordType,
  enabled: boolean,
  { localUserAttribute, serverHostName }: RecordOptions,
): Hosting | undefined {
  const store = localUserAttribute === undefined ? undefined : textsOf(entry, [localUserAttribute])[0];
  const here = server === undefined || server.toLowerCase() === serverHostName.toLowerCase();
  const local = here && (localUserAttribute === undefined || type === "groups" || store !== undefined);
  if (local && server === undefined && store === undefined) return undefined;
  return {
    local,
    enabled,
    ...(server === undefined ? {} : { server }),
    ...(store === undefined ? {} : { store }),
  };
}

interface ResourceInfo {
  readonly accepts: boolean;
  readonly writer: string | undefined;
  readonly reader: string | undefined;
}

/** Open Directory's ResourceInfo: a property list inside an attribute. What is none counts as empty. */
function resourceInfo(text: string | undefined): ResourceInfo | undefined {
  if (text === undefined || text.length > 65_536) return undefined;
  try {
    const pages = member(readPlist(text), "com.apple.WhitePagesFramework");
    const guid = (name: string): string | undefined => {
      const value = member(pages, name);
      return typeof value === "string" && value !== "" ? value : undefined;
    };
    const accepts = member(pages, "AutoAcceptsInvitation");
    return {
      accepts: accepts === true || accepts === 1,
      writer: guid("CalendaringDelegate"),
      reader: guid("ReadOnlyCalendaringDelegate"),
    };
  } catch {
    return undefined;
  }
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;

const delegates = (values: readonly string[], more: string | undefined): readonly Named[] =>
  [...values, ...(more === undefined ? [] : [more])].map((value) =>
    value.includes("=") ? { dn: value } : { guid: value },
  );
