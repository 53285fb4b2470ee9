import { yieldToLoop } from "../../base/stream.ts";
import type { ObjectEntry } from "../../store/contract.ts";
import { seenText } from "../privacy.ts";
import type { Context } from "../registry.ts";
import { memberResource } from "../resolve.ts";
import type { Resource, Shape } from "../resource.ts";

/** The collections whose members are calendar objects. */
export type ObjectCollection = Shape<"calendar" | "inbox">;

/** A member with its text as far as the asker may see it. The resource's etag is the one of these very bytes. */
export interface Member {
  readonly resource: Resource;
  readonly text: string;
}

/** Files read at once: enough to hide the disk's latency, few enough that nobody waits for their parsing. */
const slice = 32;

/** Reads members in slices, in order. Those that went away meanwhile, and those hidden from the asker, are left out. */
export async function* membersOf(
  parent: ObjectCollection,
  pages: AsyncIterable<readonly ObjectEntry[]> | Iterable<readonly ObjectEntry[]>,
  context: Context,
): AsyncGenerator<readonly Member[]> {
  for await (const page of pages) {
    for (let from = 0; from < page.length; from += slice) {
      const entries = page.length <= slice ? page : page.slice(from, from + slice);
      const members: Member[] = [];
      const found = entries.map((entry) => memberOf(parent, entry, context));
      const isWaiting = found.some((one) => one instanceof Promise);
      for (const member of isWaiting ? await Promise.all(found) : (found as readonly (Member | undefined)[]))
        if (member !== undefined) members.push(member);
      yield members;
      await yieldToLoop();
    }
  }
}

/** Reads one member; undefined when it is gone or hidden. At once when this worker has it in memory. */
export function memberOf(
  parent: ObjectCollection,
  entry: ObjectEntry,
  context: Context,
): Member | undefined | Promise<Member | undefined> {
  const kept = entry.access === undefined ? parent.collection.kept(entry) : undefined;
  if (kept === undefined) return readMember(parent, entry, context);
  const member = (text: string | undefined): Member | undefined =>
    text === undefined ? undefined : { resource: memberResource(parent, entry), text };
  const seen = seenText(kept.bytes.toString(), entry, parent.owner, context);
  return typeof seen === "string" ? member(seen) : seen.then(member);
}

async function readMember(parent: ObjectCollection, entry: ObjectEntry, context: Context): Promise<Member | undefined> {
  const content = await parent.collection.read(entry.name);
  if (content === undefined) return undefined;
  const text = await seenText(content.bytes.toString(), entry, parent.owner, context);
  if (text === undefined) return undefined;
  const { etag, modified } = content;
  const now = etag === entry.etag ? entry : { ...entry, etag, modified, size: content.bytes.length };
  return { resource: memberResource(parent, now), text };
}
