import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { SyncToken } from "../model/ids.ts";
import type { Context } from "./registry.ts";
import type { Shape } from "./resource.ts";

/** What a home's sync token says: the home's own state and that of each collection directly inside, by name. */
export interface HomeToken {
  readonly own: SyncToken;
  readonly children: ReadonlyMap<string, SyncToken>;
}

// RFC 6578 §3.2 asks for a URI; Evolution takes nothing else. "h" tells it from a collection's `<era>-<revision>`.
const prefix = "data:,h";
/** Characters of a token that is looked at, and bytes that it may inflate to: 1,000 collections with long names. */
const maxLength = 100_000;
const maxInflated = 400_000;

/** The token as a URI, `data:,h…`. It holds everything itself, so the server keeps nothing per client and no token ever
 *  becomes too old: a collection whose own token is no longer known is simply reported anew. */
export function encodeHomeToken(token: HomeToken): string {
  // No name of a collection has a slash.
  let text: string = token.own;
  for (const [name, state] of token.children) text += `/${name}/${state}`;
  return prefix + deflateRawSync(text).toString("base64url");
}

/** Undefined: not a token of a home. Never throws; what a client sends is bounded before it is inflated. */
export function decodeHomeToken(token: string): HomeToken | undefined {
  if (!token.startsWith(prefix) || token.length > maxLength) return undefined;
  let parts: string[];
  try {
    const packed = Buffer.from(token.slice(prefix.length), "base64url");
    parts = inflateRawSync(packed, { maxOutputLength: maxInflated }).toString().split("/");
  } catch {
    return undefined;
  }
  const [own, ...rest] = parts;
  if (own === undefined || own === "" || rest.length % 2 !== 0) return undefined;
  const children = new Map<string, SyncToken>();
  for (let at = 0; at < rest.length; at += 2) {
    const [name, state] = [rest[at], rest[at + 1]];
    if (!name || !state) return undefined;
    children.set(name, state as SyncToken);
  }
  return { own: own as SyncToken, children };
}

/** The home's state now. The inbox and outbox are part of it; the dropbox is not, its boxes are no calendars' business. */
export async function homeToken(home: Shape<"home">, { services: { store } }: Context): Promise<HomeToken> {
  const names = await store.children({ owner: home.owner, path: [] });
  const states = await Promise.all(
    names.map(async ({ name, kind }) => {
      if (kind === "dropbox") return [name, undefined] as const;
      const collection = await store.open({ owner: home.owner, path: [name] });
      return [name, (await collection?.info())?.syncToken] as const;
    }),
  );
  const children = new Map<string, SyncToken>();
  for (const [name, state] of states) if (state !== undefined) children.set(name, state);
  return { own: home.info.syncToken, children };
}
