import { setTimeout } from "node:timers/promises";
import type { HttpRequest } from "../http/message.ts";
import type { Href } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";

/** Refusals of what may be there or not go out this many ms after the request came, or a multiple of it later: looking into a
 *  calendar takes some 0.1 ms longer than finding none, and milliseconds when nobody has opened it for a while. */
const step = 5;

const begun = new WeakMap<HttpRequest, number>();

/** To be called when a request comes in. */
export const beginning = (request: HttpRequest): void => void begun.set(request, performance.now());

/** The one refusal for who may not even learn whether there is something at a path: the same words whatever was asked and whatever
 *  is there, after a time that tells nothing either. */
export async function hidden(request: HttpRequest, rawPath: string): Promise<Refusal> {
  const since = begun.get(request);
  if (since !== undefined) await setTimeout(Math.ceil(step - ((performance.now() - since) % step)));
  return new Refusal({ code: "need-privileges", href: rawPath as Href, privileges: ["read"] });
}
