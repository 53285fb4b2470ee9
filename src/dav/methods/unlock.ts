import { lockTokenOf } from "../../http/headers.ts";
import { stateToken } from "../../http/if-header.ts";
import { HttpError, type HttpRequest, type HttpResponse } from "../../http/message.ts";
import { covers } from "../../model/lock.ts";
import { Refusal } from "../../model/refusal.ts";
import { hidden } from "../hidden.ts";
import { lockableKinds, lockPlaceOf } from "../locks/place.ts";
import { demand, mayLook } from "../privileges.ts";
import type { Context, Method } from "../registry.ts";
import type { Resource } from "../resource.ts";

/** UNLOCK (RFC 4918 §9.11): by who took the lock, or with DAV:unlock (RFC 3744 §3.5); anywhere under the lock. */
export const unlockMethod: Method = {
  name: "UNLOCK",
  on: lockableKinds,
  // Who took a lock ends it whatever became of their rights; all others are asked for theirs below.
  needs: ({ kind }) => (kind === "unmapped" ? ["parent bind"] : []),
  async handle(resource, context, request) {
    try {
      return await unlock(resource, context, request);
    } catch (error) {
      // Who may not look hears nothing of what is there, not even of a header that is missing.
      const known = error instanceof Refusal || error instanceof HttpError;
      if (!known || (await mayLook(resource, request.path, request.rawPath, context))) throw error;
      throw await hidden(request, request.rawPath);
    }
  },
};

async function unlock(resource: Resource, context: Context, request: HttpRequest): Promise<HttpResponse> {
  const header = lockTokenOf(request.headers);
  if (header === undefined) throw new HttpError(400, "the Lock-Token header is missing");
  const token = stateToken(header);
  const place = lockPlaceOf(resource);
  const { locks } = context.services.store;
  const held = place === undefined ? [] : await locks.held(place.owner.uid);
  const lock = held.find((one) => one.token === token && place !== undefined && covers(one, place.path));
  if (place === undefined || lock === undefined) {
    if (resource.kind !== "unmapped") await demand(context, resource, ["read"]);
    throw new Refusal({ code: "lock-token-matches-request-uri", refresh: false });
  }
  if (lock.creator !== context.user?.uid) await demand(context, resource, ["unlock"]);
  await locks.release(place.owner.uid, token);
  return { status: 204 };
}
