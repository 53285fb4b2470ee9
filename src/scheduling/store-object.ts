import { randomUUID } from "node:crypto";
import type { CalendarObject } from "../ical/calendar-object.ts";
import type { Component } from "../ical/component.ts";
import { type Source, writeKept } from "../ical/write-kept.ts";
import { objectOf } from "../itip/series.ts";
import type { Collection, CollectionChange, ObjectEntry } from "../store/contract.ts";
import { caldav, childrenNamed, dav, type Element, el, type QName, TWISTED_PRIVATE, textOf } from "../xml/element.ts";

/** Property of a scheduling object (RFC 6638 §9.3); its presence says that an object is one. */
const scheduleTagName: QName = caldav("schedule-tag");

/** A tag that nobody had before, with its quotes. */
export const freshTag = (): string => `"${randomUUID()}"`;

const tagElement = (tag: string): Element => el(scheduleTagName, tag);

/** The original's name for the ETags that an object had under its present schedule tag: those of changes that only say what others
 *  answered. Clients that know no schedule tags may still name one in If-Match. */
const matchEtagsName: QName = `{${TWISTED_PRIVATE}}scheduling-match-etags`;
/** As many as are kept: the one that the last change of a person gave, and the latest. */
const mostEtags = 50;

/** The ETags that an object had before, since its schedule tag is what it is. */
export async function earlierEtags(collection: Collection, entry: ObjectEntry): Promise<readonly string[]> {
  if (entry.scheduleTag === undefined || !entry.hasProperties) return [];
  const stored = (await collection.properties(entry.name)).get(matchEtagsName);
  return stored === undefined ? [] : childrenNamed(stored, dav("getetag")).map((one) => textOf(one).trim());
}

/** Sets the schedule tag among an object's properties. A tag that stays keeps the ETag of what is `replaced` matching. */
export function setTag(
  properties: Map<QName, Element>,
  tag: string | undefined,
  replaced: ObjectEntry | undefined,
): void {
  if (tag === undefined) properties.delete(scheduleTagName);
  else properties.set(scheduleTagName, tagElement(tag));
  if (tag === undefined || replaced?.scheduleTag !== tag) {
    properties.delete(matchEtagsName);
    return;
  }
  const stored = properties.get(matchEtagsName);
  const before = stored === undefined ? [] : childrenNamed(stored, dav("getetag"));
  const [first, ...others] = [...before, el(dav("getetag"), replaced.etag)];
  if (first !== undefined) properties.set(matchEtagsName, el(matchEtagsName, first, ...others.slice(1 - mostEtags)));
}

/** What a change of the tag alone changes of the properties. */
export const newTagEdits = (tag: string): ReadonlyMap<QName, Element | null> =>
  new Map<QName, Element | null>([
    [scheduleTagName, tagElement(tag)],
    [matchEtagsName, null],
  ]);

/** An edited object with its text: lines that came from the sources stay as they were there. The properties keep the line numbers
 *  of where they came from, so the object is no source itself: that is what has been read from its text. */
export function withText(root: Component, sources: readonly Source[]): CalendarObject {
  const same = sources.find((source) => source.root === root);
  const text = same?.text ?? writeKept(root, sources);
  const { uid, kind, master, overrides } = objectOf(root);
  return { root, uid, kind, master, overrides, text };
}

/** Stores an object under a name, with the properties that the name has and this tag (undefined: none), unless what is there is not
 *  what was seen: then answers undefined. */
export async function putObject(
  collection: Collection,
  name: string,
  object: CalendarObject,
  seen: ObjectEntry | undefined,
  tag: string | undefined,
): Promise<ObjectEntry | undefined> {
  const properties = new Map(seen?.hasProperties ? await collection.properties(name) : []);
  setTag(properties, tag, seen);
  const staged = await collection.stage(Buffer.from(object.text), properties);
  try {
    const entry = await collection.change((change: CollectionChange) => {
      if (change.entry(name)?.etag !== seen?.etag) return undefined;
      if (seen === undefined && collection.kind === "calendar" && change.nameOf(object.uid) !== undefined)
        return undefined;
      return change.put(name, staged, object);
    });
    if (entry === undefined) await staged.discard();
    return entry;
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** Removes it if it is what was seen. Answers whether it did. */
export const removeObject = (collection: Collection, seen: ObjectEntry): Promise<boolean> =>
  collection.change(async (change) => {
    if (change.entry(seen.name)?.etag !== seen.etag) return false;
    await change.remove(seen.name);
    return true;
  });
