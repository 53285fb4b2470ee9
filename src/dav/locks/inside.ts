import type { HttpResponse } from "../../http/message.ts";
import { Refusal } from "../../model/refusal.ts";
import { dav, el, href } from "../../xml/element.ts";
import { multistatus, statusResponse } from "../multistatus.ts";

/** Tells what lies below a collection and is locked in a multistatus (RFC 4918 §9.6.1): nothing was done. */
export async function tellingInside(work: () => Promise<HttpResponse>): Promise<HttpResponse> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason.code !== "lock-token-submitted" || !error.reason.inside)
      throw error;
    return multistatus(
      error.reason.roots.map((root) => statusResponse(root, 423, el(dav("lock-token-submitted"), href(root)))),
    );
  }
}
