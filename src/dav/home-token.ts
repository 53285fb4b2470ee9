import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { SyncToken } from "../model/ids.ts";
import { placeOf } from "../sharing/shared-collection.ts";
import { collectionsIn } from "./children.ts";
import type { Context } from "./registry.ts";
import type { Shape } from "./resource.ts";

/** What a home's sync token says of a collection: its own token, "." and how often its properties changed. A renamed or
 *  recoloured calendar is news for who syncs the home, though none of its members changed. */
export type ChildState = string;

export const tokenOfChild = (state: ChildState): SyncToken => state.split(".")[0] as SyncToken;

/** What a home's sync token says: the home's own state and that of each collection directly inside, by name. */
export interface HomeToken {
  readonly own: SyncToken;
  readonly children: ReadonlyMap<string, ChildState>;
}

// RFC 6578 §3.2 asks for a URI; Evolution takes nothing else. "h" tells it from a collection's `<era>-<revision>`, the dash or
// "z" behind it whether the rest is deflated.
const plain = "data:,h-";
const deflated = "data:,hz";
/** Bytes of a state above which deflating is worth its time: some fifteen collections. */
const shortState = 700;
/** Characters of a token that is looked at, and bytes that it may inflate to: 1,000 collections with long names. */
const maxLength = 100_000;
const maxInflated = 400_000;

/** The token as a URI, `data:,h…`. It holds everything itself, so the server keeps nothing per client and no token ever
 *  becomes too old: a collection whose own token is no longer known is simply reported anew. */
export function encodeHomeToken(token: HomeToken): string {
  // No name of a collection has a slash.
  let text: string = token.own;
  for (const [name, state] of token.children) text += `/${name}/${state}`;
  return text.length > shortState
    ? deflated + deflateRawSync(text).toString("base64url")
    : plain + Buffer.from(text).toString("base64url");
}

/** Undefined: not a token of a home. Never throws; what a client sends is bounded before it is inflated. */
export function decodeHomeToken(token: string): HomeToken | undefined {
  const [own, ...rest] = stateIn(token)?.split("/") ?? [];
  if (own === undefined || !isState(own) || rest.length % 2 !== 0) return undefined;
  const children = new Map<string, ChildState>();
  for (let at = 0; at < rest.length; at += 2) {
    const [name, state] = [rest[at], rest[at + 1]];
    if (!name || !state || !isState(state)) return undefined;
    children.set(name, state);
  }
  return { own: own as SyncToken, children };
}

const isState = (text: string): boolean => /^[!-.0-~]{1,100}$/.test(text);

function stateIn(token: string): string | undefined {
  if (token.length > maxLength) return undefined;
  const packed = Buffer.from(token.slice(plain.length), "base64url");
  if (token.startsWith(plain)) return packed.toString();
  if (!token.startsWith(deflated)) return undefined;
  try {
    return inflateRawSync(packed, { maxOutputLength: maxInflated }).toString();
  } catch {
    return undefined;
  }
}

/** The home's state, as of the first time that this request looks into it. The inbox and outbox are part of it; the dropbox is
 *  not, its boxes are no calendars' business; and neither is what the asker may not read, not even by name. */
export async function homeToken(home: Shape<"home">, context: Context): Promise<HomeToken> {
  const children = new Map<string, ChildState>();
  for (const inner of await collectionsIn(home, context)) {
    const { kind, collection, info } = inner;
    const name = placeOf(collection).path[0];
    if (kind === "dropbox" || name === undefined) continue;
    if ((await context.privileges(inner)).has("read")) children.set(name, `${info.syncToken}.${info.properties}`);
  }
  return { own: home.info.syncToken, children };
}
