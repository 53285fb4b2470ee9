import { randomUUID } from "node:crypto";
import { HttpError } from "../../http/message.ts";
import { encodeSegment } from "../../http/uri.ts";
import type { Href } from "../../model/ids.ts";
import { lockGuard } from "../locks/guard.ts";
import type { Method } from "../registry.ts";
import { addMemberName } from "../urls.ts";
import { type Place, touchedIn } from "./members.ts";
import { postToOutbox } from "./outbox-post.ts";
import { answer, uploadOf } from "./put.ts";
import { storeMember } from "./store-member.ts";

/** POST to an outbox (RFC 6638 §5), and to a calendar's add-member URL (RFC 5995): stores an object under a name that the server
 *  chooses. The URL is the calendar's with `;add-member` behind it, as DAV:add-member says, or with the query `add-member`. */
export const postMethod: Method = {
  name: "POST",
  on: ["calendar", "outbox", "unmapped"],
  needs: ({ kind }) =>
    kind === "outbox" ? ["schedule-send-freebusy"] : kind === "calendar" ? ["bind"] : ["parent bind"],
  async handle(resource, context, request) {
    if (resource.kind === "outbox") return postToOutbox(resource, context, request);
    const calendar = resource.kind === "unmapped" && resource.name === addMemberName ? resource.parent : resource;
    if (calendar?.kind !== "calendar") throw new HttpError(404, `${resource.href} does not exist`);
    if (resource.kind === "calendar" && !request.query.has("add-member"))
      throw new HttpError(405, `to add a member, send it to ${calendar.href}${addMemberName}`);
    const name = `${randomUUID()}.ics`;
    const { owner, collection, href } = calendar;
    const place: Place = { owner, collection, parentHref: href, name, existing: undefined };
    const upload = await uploadOf(request, place, context);
    const guard = lockGuard(request, owner, context);
    const stored = await storeMember(place, upload, context, (existing) => {
      if (existing !== undefined) throw new HttpError(409, `${name} exists already`);
      return guard.check(...touchedIn(place, undefined));
    });
    return answer(stored, place, (href + encodeSegment(name)) as Href, context, request);
  },
};
