import { mkdir, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { getAttributeSync, listAttributesSync, removeAttributeSync, setAttributeSync } from "fs-xattr";
import type { ETag } from "../model/ids.ts";
import { type Element, el, elements, type QName } from "../xml/element.ts";
import { readXml } from "../xml/read.ts";
import { writeXml } from "../xml/write.ts";
import type { PropertyEdits } from "./contract.ts";
import { freshName, isMissing, quickStat, renameFile, stageFile, syncDirectory } from "./files.ts";
import { sidecarFolder } from "./layout.ts";
import { reach } from "./points.ts";
import { attributeOf, decodeValue, describeProperty, encodeValue, propertyOf } from "./property-codec.ts";

export type Properties = ReadonlyMap<QName, Element>;
const none: Properties = new Map();

const STORE = "urn:caldavd:store";
const listName: QName = `{${STORE}}properties`;
const setName: QName = `{${STORE}}set`;
const removeName: QName = `{${STORE}}remove`;
/** The owner's uid on a calendar home. */
export const ownerName: QName = `{${STORE}}owner`;

/** Properties the store keeps for itself, or that the original kept and that can be recomputed: never shown as dead ones. */
const internal = (name: QName): boolean =>
  name.startsWith(`{${STORE}}`) ||
  (name.startsWith("{http://twistedmatrix.com/xml_namespace/dav/private/}") &&
    !name.endsWith("}scheduling-match-etags")) ||
  name === "{http://twistedmatrix.com/xml_namespace/dav/}getcontentmd5" ||
  name === "{http://calendarserver.org/ns/}getctag";

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "");
const noRoom = (error: unknown): boolean => ["ENOSPC", "E2BIG", "ERANGE", "EDQUOT"].includes(codeOf(error));
const unsupported = (error: unknown): boolean => ["ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EPERM"].includes(codeOf(error));

/** Where properties are kept. `xattr`: extended attributes, a sidecar file for what finds no room. `sidecar`: no attributes. */
export type PropertyMode = "xattr" | "sidecar";

/** Tries on a file of its own which mode a folder's file system allows. */
export async function probeProperties(folder: string): Promise<PropertyMode> {
  const path = join(folder, `probe-${freshName()}`);
  await stageFile(path, Buffer.from("probe"), undefined);
  try {
    setAttributeSync(path, attributeOf(listName), Buffer.from("probe"));
    return "xattr";
  } catch (error) {
    if (unsupported(error)) return "sidecar";
    throw error;
  } finally {
    await unlink(path).catch(() => undefined);
  }
}

/** Dead properties of files and directories. A member's sidecar is named after the member and its content
 *  (`.props/<name>.<md5>`), so that new content never appears with old properties nor the other way round. */
export class PropertyStore {
  readonly mode: PropertyMode;
  readonly #warn: (message: string, details: Readonly<Record<string, unknown>>) => void;

  constructor(mode: PropertyMode, warn: (message: string, details: Readonly<Record<string, unknown>>) => void) {
    this.mode = mode;
    this.#warn = warn;
  }

  /** Writes properties on a staged file. False: not all found room, the member needs a sidecar. */
  decorate(path: string, properties: Properties): boolean {
    if (this.mode === "sidecar") return properties.size === 0;
    let all = true;
    for (const [name, value] of properties) {
      try {
        setAttributeSync(path, attributeOf(name), encodeValue(value));
      } catch (error) {
        if (!noRoom(error) && !unsupported(error)) throw error;
        all = false;
      }
    }
    return all;
  }

  /** Puts all of a member's properties beside it, durable; to be called before the content is renamed into place. Where
   *  there is a sidecar it counts instead of the attributes, so that one rename shows all properties or none. */
  async writeMemberSidecar(directory: string, name: string, etag: ETag, properties: Properties): Promise<void> {
    const folder = join(directory, sidecarFolder);
    await mkdir(folder, { recursive: true });
    await publishText(folder, memberKey(name, etag), writeXml(el(listName, ...properties.values())));
  }

  /** Removes sidecars of a member's earlier contents, or of the member when `etag` is undefined. */
  async dropMemberSidecars(directory: string, name: string, etag: ETag | undefined): Promise<void> {
    const folder = join(directory, sidecarFolder);
    if (!quickStat(folder)) return;
    const keep = etag === undefined ? undefined : memberKey(name, etag);
    for (const file of await readdir(folder))
      if (file !== keep && file.length === name.length + 33 && file.startsWith(`${name}.`))
        await unlink(join(folder, file)).catch(() => undefined);
  }

  async readMember(directory: string, name: string, etag: ETag): Promise<Properties> {
    const path = join(directory, name);
    const folder = join(directory, sidecarFolder);
    if (!quickStat(folder)) return this.#attributes(path);
    let text = await readText(join(folder, memberKey(name, etag)));
    const found = text === undefined ? this.#attributes(path) : none;
    if (text === undefined && found.size === 0) {
      // The content was edited by hand: its properties stand under the old content's name.
      const earlier = (await readdir(folder)).find(
        (file) => file.length === name.length + 33 && file.startsWith(`${name}.`),
      );
      if (earlier !== undefined) text = await readText(join(folder, earlier));
    }
    return text === undefined ? found : this.#merge(found, path, text);
  }

  /** Whether a member carries properties worth reading; one system call. */
  memberFacts(directory: string, name: string): { readonly hasProperties: boolean; readonly hasAcl: boolean } {
    const names = this.#names(join(directory, name));
    let hasAcl = false;
    let hasProperties = false;
    for (const attribute of names) {
      const property = propertyOf(attribute);
      if (property === undefined || internal(property)) continue;
      hasProperties = true;
      if (property === "{DAV:}acl") hasAcl = true;
    }
    return { hasProperties: hasProperties || quickStat(join(directory, sidecarFolder)) !== undefined, hasAcl };
  }

  /** A collection's own properties, the store's internal ones included when `all`. */
  async readCollection(directory: string, all = false): Promise<Properties> {
    const found = this.#attributes(directory, all);
    const folder = join(directory, sidecarFolder);
    if (!quickStat(folder)) return found;
    const text = await readText(join(folder, "collection"));
    const kept = text === undefined ? found : this.#merge(found, directory, text, all);
    const intent = await readText(join(folder, "intent"));
    if (intent === undefined) return kept;
    // A writer was killed between the intent and its effect: the intent counts.
    const edits = parseEdits(intent);
    return new Map([...kept].filter(([name]) => !edits.has(name)).concat([...edits].filter(isSet)));
  }

  /** Changes a collection's properties, all or nothing even when killed: an intent file first when it takes more than one
   *  system call. The caller holds the collection's lock and fsyncs the directory afterwards. */
  async writeCollection(directory: string, edits: PropertyEdits): Promise<void> {
    const folder = join(directory, sidecarFolder);
    const single = edits.size === 1 && this.mode === "xattr" && !quickStat(folder);
    if (!single) {
      await mkdir(folder, { recursive: true });
      reach("properties.intent");
      await publishText(folder, "intent", writeXml(editsElement(edits)));
    }
    reach("properties.write");
    await this.#apply(directory, edits);
    reach("properties.written");
    if (!single) {
      await syncDirectory(directory);
      await unlink(join(folder, "intent")).catch(() => undefined);
    }
  }

  /** Writes the properties of a directory that nobody can see yet. */
  async writeNew(directory: string, properties: Properties): Promise<void> {
    if (properties.size > 0) await this.#apply(directory, properties);
  }

  /** Finishes what a killed writer began. Answers whether there was anything. */
  async recoverCollection(directory: string): Promise<boolean> {
    const path = join(directory, sidecarFolder, "intent");
    if (!quickStat(path)) return false;
    const text = await readText(path);
    if (text === undefined) return false;
    await this.#apply(directory, parseEdits(text));
    await syncDirectory(directory);
    await unlink(path).catch(() => undefined);
    return true;
  }

  async #apply(directory: string, edits: PropertyEdits): Promise<void> {
    const homeless = new Map<QName, Element>();
    const written = this.mode === "xattr" ? this.#names(directory) : [];
    for (const [name, value] of edits) {
      if (value !== null && this.mode === "sidecar") {
        homeless.set(name, value);
        continue;
      }
      const keep = attributeOf(name);
      try {
        if (value !== null) setAttributeSync(directory, keep, encodeValue(value));
        // The same property in another server's spelling would come back.
        for (const other of written)
          if (propertyOf(other) === name && (value === null || other !== keep)) removeAttributeSync(directory, other);
      } catch (error) {
        if (value === null || (!noRoom(error) && !unsupported(error))) throw error;
        for (const other of written) if (propertyOf(other) === name) removeAttributeSync(directory, other);
        homeless.set(name, value);
      }
    }
    const folder = join(directory, sidecarFolder);
    const text = quickStat(folder) ? await readText(join(folder, "collection")) : undefined;
    if (text === undefined && homeless.size === 0) return;
    const before = text === undefined ? none : this.#merge(none, directory, text, true);
    const after = new Map([...before].filter(([name]) => !edits.has(name)).concat([...homeless]));
    await mkdir(folder, { recursive: true });
    await publishText(folder, "collection", writeXml(el(listName, ...after.values())));
  }

  #names(path: string): readonly string[] {
    if (this.mode === "sidecar") return [];
    try {
      return listAttributesSync(path);
    } catch (error) {
      if (isMissing(error) || unsupported(error)) return [];
      throw error;
    }
  }

  #attributes(path: string, all = false): Properties {
    const names = this.#names(path);
    if (names.length === 0) return none;
    const found = new Map<QName, Element>();
    for (const attribute of names) {
      const name = propertyOf(attribute);
      if (name === undefined || (!all && internal(name))) continue;
      const value = this.#value(path, attribute, name);
      if (value) found.set(name, value);
    }
    return found;
  }

  #value(path: string, attribute: string, name: QName): Element | undefined {
    // The binding asks for the size and the value in two calls: beside a writer the answer can be torn. Values are
    // checksummed streams, so a torn one fails to inflate and is read again.
    for (let attempt = 0; ; attempt++) {
      try {
        return decodeValue(name, getAttributeSync(path, attribute));
      } catch (error) {
        if (codeOf(error) === "ENODATA" || isMissing(error)) return undefined;
        if (attempt < 3) continue;
        this.#warn("property left out: its stored value cannot be read", {
          path,
          property: describeProperty(name),
          reason: error instanceof Error ? error.message : String(error),
        });
        return undefined;
      }
    }
  }

  #merge(found: Properties, path: string, text: string, all = false): Properties {
    try {
      const merged = new Map(found);
      for (const element of elements(readXml(text)))
        if (all || !internal(element.name)) merged.set(element.name, element);
      return merged;
    } catch (error) {
      this.#warn("sidecar left out: it cannot be read", { path, reason: String(error) });
      return found;
    }
  }
}

const memberKey = (name: string, etag: ETag): string => `${name}.${etag.slice(1, 33)}`;
const isSet = (entry: readonly [QName, Element | null]): entry is [QName, Element] => entry[1] !== null;

const editsElement = (edits: PropertyEdits): Element =>
  el(listName, ...[...edits].map(([name, value]) => (value === null ? el(removeName, el(name)) : el(setName, value))));

function parseEdits(text: string): Map<QName, Element | null> {
  const edits = new Map<QName, Element | null>();
  for (const edit of elements(readXml(text)))
    for (const element of elements(edit)) edits.set(element.name, edit.name === removeName ? null : element);
  return edits;
}

async function publishText(folder: string, name: string, text: string): Promise<void> {
  const staged = join(folder, `.${freshName()}`);
  await stageFile(staged, Buffer.from(text), undefined);
  await renameFile(staged, join(folder, name));
  await syncDirectory(folder);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
