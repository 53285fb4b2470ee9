import type { Principal } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import type { CalendarStore, Collection } from "../store/contract.ts";
import { cs, dav, type Element, el } from "../xml/element.ts";
import { indented } from "../xml/indent.ts";
import { writeXml } from "../xml/write.ts";
import { notificationTypeName } from "./names.ts";

/** Name of the collection that notifications are put into, the original's. */
export const notificationFolder = "notification";

/** The collection of a calendar user's notifications; made, with the home, when it is not there. */
export async function notificationsOf(store: CalendarStore, recipient: Principal): Promise<Collection> {
  await store.provision(recipient);
  const ref = { owner: recipient, path: [notificationFolder] };
  const found = await store.open(ref);
  if (found !== undefined) return found;
  try {
    return await store.create(ref, "notification", new Map());
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason.code !== "resource-must-be-null") throw error;
    const made = await store.open(ref);
    if (made === undefined) throw error;
    return made;
  }
}

const contentTypeName = dav("getcontenttype");

/** Puts a notification into the recipient's collection (caldav-sharing §4), in the place of an earlier one of the name. */
export async function deliverNotice(
  store: CalendarStore,
  recipient: Principal,
  name: string,
  notice: Element,
  stamp: string,
): Promise<void> {
  const collection = await notificationsOf(store, recipient);
  const text = writeXml(indented(el(cs("notification"), el(cs("dtstamp"), stamp), notice)));
  const properties = new Map([
    [contentTypeName, el(contentTypeName, "text/xml;charset=utf-8")],
    [notificationTypeName, el(notificationTypeName, { ...notice, children: [] })],
  ]);
  const staged = await collection.stage(Buffer.from(text), properties);
  try {
    await collection.change((change) => change.put(`${name}.xml`, staged, undefined));
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** Whether a notification is still there. */
export async function hasNotice(store: CalendarStore, recipient: Principal, name: string): Promise<boolean> {
  const collection = await store.open({ owner: recipient, path: [notificationFolder] });
  return (await collection?.entry(`${name}.xml`)) !== undefined;
}

/** Removes a notification that is no longer true. */
export async function withdrawNotice(store: CalendarStore, recipient: Principal, name: string): Promise<void> {
  const collection = await store.open({ owner: recipient, path: [notificationFolder] });
  const file = `${name}.xml`;
  if ((await collection?.entry(file)) === undefined) return;
  await collection?.change((change) => (change.entry(file) === undefined ? undefined : change.remove(file)));
}
