import type { HttpResponse } from "../../http/message.ts";
import type { Href } from "../../model/ids.ts";
import { Refusal } from "../../model/refusal.ts";
import { dav, el, href } from "../../xml/element.ts";
import { multistatus, statusResponse } from "../multistatus.ts";
import { isReadable } from "../readable.ts";
import type { Context } from "../registry.ts";

/** Tells what lies below a collection and is locked in a multistatus (RFC 4918 §9.6.1): nothing was done. `named`: what the request
 *  is about. */
export async function tellingInside(
  named: readonly { readonly href: Href }[],
  context: Context,
  work: () => Promise<HttpResponse>,
): Promise<HttpResponse> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason.code !== "lock-token-submitted" || !error.reason.inside)
      throw error;
    const roots = await seenRoots(error.reason.roots, named, context);
    return multistatus(roots.map((root) => statusResponse(root, 423, el(dav("lock-token-submitted"), href(root)))));
  }
}

/** What is locked below collections, as the asker may hear of it: the collection stands for what he may not read. */
export async function seenRoots(
  roots: readonly Href[],
  named: readonly { readonly href: Href }[],
  context: Context,
): Promise<readonly Href[]> {
  const seen = new Set<Href>();
  for (const root of roots) {
    const above = named.find(({ href }) => root.startsWith(href))?.href;
    if (above === undefined || (await isReadable(root, context))) seen.add(root);
    else seen.add(above);
  }
  return [...seen];
}
