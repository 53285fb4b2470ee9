import type { HttpRequest } from "../../http/message.ts";
import { preferenceApplied, preferencesOf } from "../../http/prefer.ts";

/** The headers that tell which preferences a multistatus was written by (RFC 7240 §3). `rootLeftOut`: depth-noroot was too.
 *  Clients that say the same with `Brief` know no such headers. */
export function appliedTo({ headers }: HttpRequest, rootLeftOut = false): Readonly<Record<string, string>> {
  if (headers["prefer"] === undefined) return none;
  const { minimal } = preferencesOf(headers);
  const applied = [...(minimal ? ["return=minimal"] : []), ...(rootLeftOut ? ["depth-noroot"] : [])];
  return applied.length === 0 ? none : preferenceApplied(...applied);
}

const none: Readonly<Record<string, string>> = {};
