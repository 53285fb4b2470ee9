import { bodyOf } from "../../http/body.ts";
import { contentTypeOf } from "../../http/headers.ts";
import type { HttpResponse } from "../../http/message.ts";
import { HttpError, type HttpRequest } from "../../http/message.ts";
import { preferenceApplied, preferencesOf } from "../../http/prefer.ts";
import type { Href } from "../../model/ids.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import type { ObjectEntry } from "../../store/contract.ts";
import { lockGuard } from "../locks/guard.ts";
import type { Context, Method } from "../registry.ts";
import { collectionKinds, memberKinds } from "../resource.ts";
import { fileAnswer, representation } from "./get.ts";
import { type Place, placeOf, touchedIn } from "./members.ts";
import { checkEntry, checkPreconditions, earlierState } from "./preconditions.ts";
import { storeFile } from "./store-file.ts";
import { type Stored, storeMember } from "./store-member.ts";
import type { Upload } from "./upload.ts";

/** PUT (RFC 4918 §9.7, RFC 4791 §5.3.2). */
export const putMethod: Method = {
  name: "PUT",
  on: [...memberKinds, ...collectionKinds, "unmapped"],
  needs: (resource) => {
    if (!("entry" in resource)) return ["parent bind"];
    // Whoever may read a shared calendar may set his own alarms in it; what else he changes is asked for when it is known.
    return shareOf(resource.collection) === undefined ? ["write-content"] : ["read", "parent write-properties"];
  },
  async handle(resource, context, request) {
    // Said in the headers already, so a body of megabytes need not be sent for it.
    if (request.headers["content-range"] !== undefined)
      throw new HttpError(400, "a PUT replaces the whole; Content-Range is not supported");
    const place = placeOf(resource);
    const earlier = await earlierState(resource, context, request);
    await checkPreconditions(resource, context, request, earlier);
    const guard = lockGuard(request, place.owner, context);
    const recheck = (existing: ObjectEntry | undefined): void | Promise<void> => {
      checkEntry(request, existing, earlier);
      return guard.check(...touchedIn(place, existing));
    };
    if (holdsFiles(place)) return putFile(place, resource.href, context, request, recheck);
    const upload = await uploadOf(request, context);
    const stored = await storeMember(place, upload, context, request, recheck);
    // What its organizer has given up is stored nowhere, and was where it stood (as the original).
    if (stored === undefined) return { status: resource.kind === "unmapped" ? 201 : 200 };
    return answer(stored, place, resource.href, context, request);
  },
};

const holdsFiles = ({ collection }: Place): boolean => collection.kind === "home" || collection.kind === "folder";

async function putFile(
  place: Place,
  href: Href,
  context: Context,
  request: HttpRequest,
  recheck: (existing: ObjectEntry | undefined) => void | Promise<void>,
): Promise<HttpResponse> {
  const { entry, created } = await storeFile(place, context, request, recheck);
  const headers = { ETag: entry.etag, ...(created ? { Location: href } : {}) };
  const status = created ? 201 : 204;
  if (!preferencesOf(request.headers).representation) return { status, headers };
  const { owner, collection } = place;
  const plain = { ...request, headers: {} };
  const shown = await fileAnswer({ kind: "file", href, owner, collection, entry }, plain);
  const told = { ...headers, ...preferenceApplied("return=representation"), "Content-Location": href };
  return { ...shown, status: created ? 201 : 200, headers: { ...shown.headers, ...told } };
}

/** Calendar objects are held in memory on their way to the disk, so they have a bound besides the quota. */
const largestObject = 16 * 1024 * 1024;

/** Reads the calendar object that a client sends. */
export async function uploadOf(request: HttpRequest, { services: { settings } }: Context): Promise<Upload> {
  const limit = settings.maxResourceSize ?? largestObject;
  return { type: contentTypeOf(request.headers), bytes: await bodyOf(request, limit, "max-resource-size") };
}

/** 201 or 204; with `Prefer: return=representation` what is stored now (RFC 8144 §2.3). A strong ETag is told only of bytes that
 *  are the ones sent: a client that keeps it takes its own copy for the server's (RFC 4791 §5.3.4). */
export function answer(
  { entry, created, bytes, verbatim }: Stored,
  { owner, collection }: Place,
  href: Href,
  context: Context,
  request: HttpRequest,
): HttpResponse | Promise<HttpResponse> {
  const headers: Record<string, string> = verbatim ? { ETag: entry.etag } : {};
  if (entry.scheduleTag !== undefined) headers["Schedule-Tag"] = entry.scheduleTag;
  if (created) headers["Location"] = href;
  if (!preferencesOf(request.headers).representation) return { status: created ? 201 : 204, headers };
  const kind = collection.kind === "calendar" || collection.kind === "inbox" ? "object" : "file";
  return representation(
    { kind, href, owner, collection, entry },
    { bytes, etag: entry.etag, modified: entry.modified },
    context,
    request,
  ).then((response) => ({
    ...response,
    status: created ? 201 : 200,
    headers: {
      ...response.headers,
      ...headers,
      ...preferenceApplied("return=representation"),
      "Content-Location": href,
    },
  }));
}
