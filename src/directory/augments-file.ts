import { type AutoSchedule, autoScheduleModes, type RecordType } from "../model/principal.ts";
import { type Element, elements, localOf, textOf } from "../xml/element.ts";
import { readXmlLines } from "../xml/read.ts";

/** What an augment says of a record; undefined leaves what the directory says. */
export interface Augment {
  readonly calendaring: boolean | undefined;
  readonly signIn: boolean | undefined;
  readonly autoSchedule: AutoSchedule | undefined;
  readonly server: string | undefined;
  readonly emailAddresses: readonly string[];
  readonly addresses: readonly string[];
}

export interface Augments {
  /** By GUID in lower case. */
  readonly exact: ReadonlyMap<string, Augment>;
  /** `AB*`, the longest first, without the star. */
  readonly beginnings: readonly (readonly [string, Augment])[];
  readonly ofType: ReadonlyMap<RecordType, Augment>;
  readonly all: Augment | undefined;
}

const defaults: Readonly<Record<string, RecordType>> = {
  "user-default": "users",
  "group-default": "groups",
  "location-default": "locations",
  "resource-default": "resources",
  "users-default": "users",
  "groups-default": "groups",
  "locations-default": "locations",
  "resources-default": "resources",
};

const maxRepeat = 100_000;

/** Reads augments of the original's 3.0: `<augments><record><uid>GUID</uid><enable-calendar>true</enable-calendar>…`. A uid is a
 *  GUID, a beginning of GUIDs with `*` behind it, `User-Default` and the like, or `Default`. What a record does not say stays
 *  what the directory says. Throws XmlError, or Error("line …: …") for another root. */
export function readAugments(text: string | Uint8Array, warn: (line: number, message: string) => void): Augments {
  const { root, lineOf } = readXmlLines(text, { depth: 8, elements: 5_000_000, doctype: "skip" });
  if (localOf(root.name) !== "augments")
    throw new Error(`line ${lineOf(root)}: the root element must be <augments>, found <${localOf(root.name)}>`);
  const exact = new Map<string, Augment>();
  const beginnings = new Map<string, Augment>();
  const ofType = new Map<RecordType, Augment>();
  let all: Augment | undefined;
  for (const element of elements(root)) {
    if (localOf(element.name) !== "record") {
      warn(lineOf(element), `<${localOf(element.name)}> is not a <record>, left out`);
      continue;
    }
    const { uids, augment } = readRecord(element, (message) => warn(lineOf(element), message));
    if (uids.length === 0) warn(lineOf(element), "a record without <uid> is left out");
    for (const uid of uids) {
      const key = uid.toLowerCase();
      const type = Object.hasOwn(defaults, key) ? defaults[key] : undefined;
      if (key === "default") all = augment;
      else if (type !== undefined) ofType.set(type, augment);
      else if (key.endsWith("*")) beginnings.set(key.slice(0, -1), augment);
      else if (exact.has(key)) warn(lineOf(element), `${uid} stands there twice; the first counts`);
      else exact.set(key, augment);
    }
  }
  return {
    exact,
    beginnings: [...beginnings].sort(([a], [b]) => b.length - a.length),
    ofType,
    all,
  };
}

const valueIn = (element: Element): string => textOf(element).trim();
const truths: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  "1": true,
  false: false,
  no: false,
  "0": false,
};

function readRecord(
  record: Element,
  warn: (message: string) => void,
): { readonly uids: readonly string[]; readonly augment: Augment } {
  const uids: string[] = [];
  const emailAddresses: string[] = [];
  const addresses: string[] = [];
  const said = new Map<string, boolean>();
  let mode: AutoSchedule | undefined;
  let server: string | undefined;
  for (const element of elements(record)) {
    const name = localOf(element.name);
    const value = valueIn(element);
    switch (name) {
      case "uid":
      case "guid":
        if (value !== "") uids.push(value);
        break;
      case "enable":
      case "enable-calendar":
      case "enable-login":
      case "auto-schedule": {
        const truth = truths[value.toLowerCase()];
        if (truth === undefined) warn(`<${name}> must be true or false, found "${value}"`);
        else said.set(name, truth);
        break;
      }
      case "auto-schedule-mode":
        mode = autoScheduleModes.find((known) => known === value.toLowerCase());
        if (mode === undefined && value.toLowerCase() !== "default")
          warn(`<auto-schedule-mode> must be one of ${autoScheduleModes.join(", ")}, found "${value}"`);
        break;
      case "server-id":
      case "hosted-at":
        if (value !== "") server = value;
        break;
      case "email-address":
        if (value !== "") emailAddresses.push(value);
        break;
      case "cuaddr":
        if (value !== "") addresses.push(value);
        break;
      case "enable-addressbook":
      case "partition-id":
      case "auto-accept-group":
        break;
      default:
        warn(`<${name}> is not known in a record, left out`);
    }
  }
  const off = said.get("enable") === false;
  const accepts = said.get("auto-schedule");
  return {
    uids: repeated(uids, record, warn),
    augment: {
      calendaring: off ? false : said.get("enable-calendar"),
      signIn: off ? false : said.get("enable-login"),
      // As in the original: a mode means something where invitations are answered at all.
      autoSchedule: accepts === undefined ? mode : accepts ? (mode ?? "automatic") : "none",
      server,
      emailAddresses,
      addresses,
    },
  };
}

function repeated(uids: readonly string[], record: Element, warn: (message: string) => void): readonly string[] {
  const written = record.attributes["repeat"];
  if (written === undefined) return uids;
  const times = /^\d{1,9}$/.test(written.trim()) ? Number(written) : 0;
  if (times < 1 || times > maxRepeat) {
    warn(`repeat must be a whole number from 1 to ${maxRepeat}, found "${written}"; the record is read once`);
    return uids;
  }
  return uids.flatMap((uid) =>
    Array.from({ length: times }, (_, at) =>
      uid.replace(/%0?(\d{0,2})d/g, (_all, width: string) => String(at + 1).padStart(Number(width), "0")),
    ),
  );
}
