import { encodeSegment } from "../../http/uri.ts";
import type { Href, SyncToken } from "../../model/ids.ts";
import { Refusal } from "../../model/refusal.ts";
import { placeOf } from "../../sharing/shared-collection.ts";
import type { Changes } from "../../store/contract.ts";
import { decodeHomeToken, encodeHomeToken, homeToken, tokenOfChild } from "../home-token.ts";
import type { Context } from "../registry.ts";
import { childrenOf } from "../resolve.ts";
import type { Resource, Shape } from "../resource.ts";
import { seenChanges } from "./seen-changes.ts";
import type { ChangePage, SyncQuery } from "./sync-collection.ts";

type Inner = Shape<"calendar" | "inbox" | "outbox" | "notification" | "folder">;

const pageSize = 1000;

/** What changed in a home: the collections directly inside whose state differs from the token's, the home's own files, and
 *  with `deep` the members that changed. macOS asks this of the home instead of polling every calendar. The home's token holds
 *  the state of every collection, so its answer is given whole; a client's limit below the number of changes is refused, as
 *  RFC 6578 §3.7 allows. */
export async function* homeChanges(
  home: Shape<"home">,
  { token, deep, limit }: SyncQuery,
  context: Context,
): AsyncGenerator<ChangePage, void> {
  const before = token === "" ? undefined : decodeHomeToken(token);
  if (token !== "" && before === undefined) throw new Refusal({ code: "valid-sync-token" });
  const now = await homeToken(home, context);
  const own = await home.collection.changesSince(before?.own, Number.POSITIVE_INFINITY);
  const state = encodeHomeToken({ ...now, own: own.token });

  const files = await seenChanges(home, own, before === undefined, context);
  const changed: Resource[] = [...files.changed];
  const removed: string[] = [...files.removed];
  const inside: { readonly inner: Inner; readonly since: SyncToken | undefined }[] = [];
  for await (const page of childrenOf(home, context)) {
    for (const inner of page) {
      if (!isInner(inner)) continue;
      const name = placeOf(inner.collection).path.at(-1) ?? "";
      // Made since, or not to be read by the asker.
      if (!now.children.has(name)) continue;
      const state = before?.children.get(name);
      if (state !== undefined && state === now.children.get(name)) continue;
      const since = state === undefined ? undefined : tokenOfChild(state);
      // Its index was lost, or another collection took its name: what went away with it cannot be told any more.
      if (deep && since !== undefined && !(await inner.collection.knows(since)))
        throw new Refusal({ code: "valid-sync-token" });
      changed.push(inner);
      if (deep && inner.kind !== "outbox") inside.push({ inner, since });
    }
  }
  for (const name of before?.children.keys() ?? [])
    if (!now.children.has(name)) removed.push(`${home.href}${encodeSegment(name)}/` as Href);

  if (changed.length + removed.length > limit) throw new Refusal({ code: "number-of-matches-within-limits", limit });
  yield { changed, removed, token: state, truncated: false };
  for (const { inner, since } of inside)
    for await (const changes of memberChanges(inner, since))
      yield {
        ...(await seenChanges(inner, changes, before === undefined, context)),
        token: state,
        truncated: false,
      };
}

// A dropbox is no part of the token: its boxes are no calendar's business. See `homeToken`.
const innerKinds: ReadonlySet<string> = new Set(["calendar", "inbox", "outbox", "notification", "folder"]);
const isInner = (resource: Resource): resource is Inner => innerKinds.has(resource.kind);

async function* memberChanges(inner: Inner, token: SyncToken | undefined): AsyncGenerator<Changes> {
  for (let since = token; ; ) {
    const changes = await inner.collection.changesSince(since, pageSize);
    yield changes;
    if (!changes.truncated) return;
    since = changes.token;
  }
}
