import type { HttpRequest, HttpResponse } from "../../http/message.ts";
import { HttpError } from "../../http/message.ts";
import type { SyncToken } from "../../model/ids.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Changes } from "../../store/contract.ts";
import { child, dav, type Element, el, textOf } from "../../xml/element.ts";
import { escapeText } from "../../xml/write.ts";
import { appliedTo } from "../methods/preferences.ts";
import {
  isMinimal,
  multistatus,
  type PropRequest,
  parsePropRequest,
  responsesFor,
  statusResponse,
} from "../multistatus.ts";
import { type Context, report } from "../registry.ts";
import type { Resource, Shape } from "../resource.ts";
import { homeChanges } from "./home-changes.ts";
import { seenChanges } from "./seen-changes.ts";

export interface SyncQuery {
  /** As the client sent it; empty for the first synchronisation. */
  readonly token: string;
  /** Whether the members of collections inside are asked for too. */
  readonly deep: boolean;
  /** DAV:limit; Infinity when the client sets none. */
  readonly limit: number;
  readonly asked: PropRequest;
}

type Synced = Shape<"home" | "calendar" | "inbox" | "notification" | "folder">;

/** What has changed since a token. Pages are asked for one after the other, so a large collection is never held in memory;
 *  `token` is the state after the last page. */
export interface ChangePage {
  readonly changed: readonly Resource[];
  /** Hrefs. */
  readonly removed: readonly string[];
  readonly token: string;
  /** More changes exist. */
  readonly truncated: boolean;
}

/** DAV:sync-collection (RFC 6578). Depth 0 is what the RFC wants, 1 what its drafts and macOS send, none what tsdav sends: the
 *  level asked for is in DAV:sync-level, and in Depth only when that is missing. */
export const syncCollection = report({
  name: dav("sync-collection"),
  on: ["home", "calendar", "inbox", "notification", "folder"],
  needs: "read",
  parse: (root): Omit<SyncQuery, "deep"> & { readonly level: string | undefined } => ({
    token: textOf(child(root, dav("sync-token")) ?? el(dav("sync-token"))).trim(),
    level: levelOf(root),
    limit: limitOf(root),
    asked: parsePropRequest(root),
  }),
  async run({ level, ...query }, resource: Synced, context, request): Promise<HttpResponse> {
    const deep = (level ?? (request.headers["depth"]?.toLowerCase() === "infinity" ? "infinite" : "1")) !== "1";
    return multistatus(responses({ ...query, deep }, resource, context, request), { headers: appliedTo(request) });
  },
});

function levelOf(root: Element): string | undefined {
  const element = child(root, dav("sync-level"));
  if (element === undefined) return undefined;
  const level = textOf(element).trim();
  if (level !== "1" && level !== "infinite" && level !== "infinity")
    throw new HttpError(400, `DAV:sync-level must be "1" or "infinite", found "${level}"`);
  return level;
}

function limitOf(root: Element): number {
  const limit = child(root, dav("limit"));
  const nresults = limit === undefined ? undefined : child(limit, dav("nresults"));
  if (nresults === undefined) return Number.POSITIVE_INFINITY;
  const text = textOf(nresults).trim();
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new HttpError(400, `DAV:nresults must be a positive number, found "${text}"`);
  return Number(text);
}

async function* responses(
  query: SyncQuery,
  resource: Synced,
  context: Context,
  request: HttpRequest,
): AsyncGenerator<string> {
  const options = { minimal: isMinimal(request) };
  let items = 0;
  let state = query.token;
  try {
    for await (const { changed, removed, token, truncated } of changePages(resource, query, context)) {
      if (changed.length > 0) yield* responsesFor(query.asked, [changed], context, options);
      for (const href of removed) yield statusResponse(href, 404);
      items += changed.length + removed.length;
      if (truncated) yield truncation(resource);
      state = token;
    }
  } finally {
    request.log.items.push(`responses=${items}`);
  }
  // Known only after the last page; RFC 6578 §6.4 has it behind the responses.
  yield `<D:sync-token>${escapeText(state)}</D:sync-token>\n`;
}

/** RFC 6578 §3.6: the request's own href with 507 says that there is more. */
const truncation = (resource: Synced): string =>
  statusResponse(resource.href, 507, el(dav("number-of-matches-within-limits")));

function changePages(resource: Synced, query: SyncQuery, context: Context): AsyncGenerator<ChangePage, void> {
  return resource.kind === "home" ? homeChanges(resource, query, context) : collectionChanges(resource, query, context);
}

const pageSize = 1000;
const scheme = "data:,";

async function* collectionChanges(
  resource: Shape<"calendar" | "inbox" | "notification" | "folder">,
  { token, limit }: SyncQuery,
  context: Context,
): AsyncGenerator<ChangePage, void> {
  if (token !== "" && !token.startsWith(scheme)) throw new Refusal({ code: "valid-sync-token" });
  let since = token === "" ? undefined : (token.slice(scheme.length) as SyncToken);
  let left = limit;
  for (let begun = false; ; begun = true) {
    let changes: Changes;
    try {
      changes = await resource.collection.changesSince(since, Math.min(left, pageSize));
    } catch (error) {
      // The index vanished between two pages. The client is told that there is more, comes back with a token that is no
      // longer known, and begins anew: better than an answer that breaks off.
      if (!(error instanceof Refusal) || !begun) throw error;
      yield { changed: [], removed: [], token: scheme + since, truncated: true };
      return;
    }
    since = changes.token;
    left -= changes.changed.length + changes.removed.length;
    const exhausted = changes.truncated && left <= 0;
    yield {
      ...(await seenChanges(resource, changes, token === "", context)),
      token: scheme + since,
      truncated: exhausted,
    };
    if (!changes.truncated || exhausted) return;
  }
}
