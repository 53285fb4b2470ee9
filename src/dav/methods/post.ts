import { randomUUID } from "node:crypto";
import { contentTypeOf } from "../../http/headers.ts";
import { HttpError, type HttpRequest } from "../../http/message.ts";
import { encodeSegment } from "../../http/uri.ts";
import type { Href } from "../../model/ids.ts";
import { postAttachment } from "../attachments/post.ts";
import { lockGuard } from "../locks/guard.ts";
import { demand } from "../privileges.ts";
import type { Method } from "../registry.ts";
import { postToCalendar, postToHome } from "../sharing/post.ts";
import { addMemberName } from "../urls.ts";
import { type Place, touchedIn } from "./members.ts";
import { postToOutbox } from "./outbox-post.ts";
import { answer, uploadOf } from "./put.ts";
import { storeMember } from "./store-member.ts";

/** POST of XML to a calendar or a home: sharing. POST to a calendar object: its attachments (RFC 8607). POST to an outbox (RFC 6638 §5), and to a calendar's add-member URL (RFC 5995):
 *  stores an object under a name that the server chooses. The URL is the calendar's with `;add-member` behind it, as DAV:add-member says, or with the query `add-member`. */
export const postMethod: Method = {
  name: "POST",
  on: ["home", "calendar", "outbox", "object", "unmapped"],
  // What is needed at a calendar depends on what is sent.
  needs: ({ kind }) =>
    kind === "outbox"
      ? ["schedule-send-freebusy"]
      : kind === "object"
        ? ["write-content"]
        : kind === "home"
          ? ["bind"]
          : kind === "calendar"
            ? []
            : ["parent bind"],
  async handle(resource, context, request) {
    if (resource.kind === "object") return postAttachment(resource, context, request);
    if (resource.kind === "home") return postToHome(resource, context, request);
    if (resource.kind === "calendar") {
      if (isXml(request)) return postToCalendar(resource, context, request);
      await demand(context, resource, ["bind"]);
    }
    if (resource.kind === "outbox") return postToOutbox(resource, context, request);
    const calendar = resource.kind === "unmapped" && resource.name === addMemberName ? resource.parent : resource;
    if (calendar?.kind !== "calendar") throw new HttpError(404, `${resource.href} does not exist`);
    if (resource.kind === "calendar" && !request.query.has("add-member"))
      throw new HttpError(405, `to add a member, send it to ${calendar.href}${addMemberName}`);
    const name = `${randomUUID()}.ics`;
    const { owner, collection, href } = calendar;
    const place: Place = { owner, collection, parentHref: href, name, existing: undefined };
    const upload = await uploadOf(request, context);
    const guard = lockGuard(request, owner, context);
    const stored = await storeMember(place, upload, context, request, (existing) => {
      if (existing !== undefined) throw new HttpError(409, `${name} exists already`);
      return guard.check(...touchedIn(place, undefined));
    });
    if (stored === undefined) return { status: 201 };
    return answer(stored, place, (href + encodeSegment(name)) as Href, context, request);
  },
};

/** Whether the body is sharing's: calendar data is never XML. Clients of the original send either type. */
function isXml({ headers }: HttpRequest): boolean {
  const type = contentTypeOf(headers)?.type;
  return type === "text/xml" || type === "application/xml";
}
