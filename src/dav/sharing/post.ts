import { HttpError, type HttpRequest, type HttpResponse } from "../../http/message.ts";
import { encodeSegment } from "../../http/uri.ts";
import { invitationsIn, maxSharees } from "../../sharing/invitations.ts";
import { publishCalendar, unpublishCalendar } from "../../sharing/published.ts";
import { acceptShare, declineShare, editSharees, type ShareeEdit } from "../../sharing/share.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import { child, cs, dav, type Element, el, elements, href, textOf } from "../../xml/element.ts";
import { indented } from "../../xml/indent.ts";
import { writeXml } from "../../xml/write.ts";
import { xmlBody } from "../methods/xml-body.ts";
import { multistatus, statusResponse, xmlType } from "../multistatus.ts";
import { demand } from "../privileges.ts";
import type { Context } from "../registry.ts";
import { resolveHref } from "../resolve.ts";
import type { Shape } from "../resource.ts";
import { shareeAt } from "./sharee.ts";

// caldav-sharing §5.3.2.1: an answer about what was just changed must not be kept.
const headers = { "Cache-Control": "no-cache" };
const done: HttpResponse = { status: 200, headers };

/** POST of an XML body to a calendar: who shares it (caldav-sharing §5.3.2), or whether it is published. Only who may change its ACL may. */
export async function postToCalendar(
  calendar: Shape<"calendar">,
  context: Context,
  request: HttpRequest,
): Promise<HttpResponse> {
  await demand(context, calendar, ["write-acl"]);
  if (shareOf(calendar.collection) !== undefined) throw new HttpError(403, "only its owner shares a calendar");
  const root = await rootOf(request, context);
  const { sharing } = context.services.settings;
  switch (root.name) {
    case cs("share"):
      if (!sharing.enabled) throw new HttpError(403, "calendars are not shared on this server");
      return share(root, calendar, context);
    case cs("publish-calendar"):
      if (!sharing.publishing) throw new HttpError(403, "calendars are not published on this server");
      await publishCalendar(calendar.collection, context.services);
      return done;
    case cs("unpublish-calendar"):
      await unpublishCalendar(calendar.collection, context.services);
      return done;
    default:
      throw new HttpError(
        400,
        `a calendar takes CS:share, CS:publish-calendar or CS:unpublish-calendar, found ${root.name}`,
      );
  }
}

async function rootOf(request: HttpRequest, context: Context): Promise<Element> {
  const root = await xmlBody(request, context);
  if (root === undefined) throw new HttpError(400, "the body is empty; it must say what to do");
  return root;
}

const hrefIn = (element: Element): string => {
  const found = child(element, dav("href"));
  return found === undefined ? "" : textOf(found).trim();
};

/** Sentences and titles are short; what is stored with a calendar is read with it. */
const longestSummary = 1000;

function summaryIn(element: Element): string {
  const found = child(element, cs("summary"));
  const text = found === undefined ? "" : textOf(found).trim();
  if (text.length > longestSummary)
    throw new HttpError(400, `a CS:summary has at most ${longestSummary} characters, found ${text.length}`);
  return text;
}

/** All sharees of a request are taken, or none where one to be added cannot be: 403 for that one, 424 for the others, as the
 *  original answered. One to be removed who is not invited is told as 403 and hinders nobody. */
async function share(root: Element, calendar: Shape<"calendar">, context: Context): Promise<HttpResponse> {
  const { collection, owner } = calendar;
  const invited = invitationsIn(await collection.properties());
  const wanted = elements(root).filter(({ name }) => name === cs("set") || name === cs("remove"));
  if (wanted.length === 0) throw new HttpError(400, "a CS:share holds at least one CS:set or CS:remove");
  if (wanted.length > maxSharees) throw new HttpError(413, `at most ${maxSharees} sharees are changed in one request`);
  const edits: ShareeEdit[] = [];
  const problems = new Map<string, string>();
  let refused = false;
  for (const element of wanted) {
    const address = hrefIn(element);
    const found = await shareeAt(address, owner, context.services);
    if (element.name === cs("remove")) {
      if (invited.some(({ sharee }) => sharee === found.uid))
        edits.push({ uid: found.uid, sharee: found.principal, access: undefined, summary: "" });
      else problems.set(address, "is not invited");
      continue;
    }
    const access = child(element, cs("read-write")) ? "read-write" : child(element, cs("read")) ? "read" : undefined;
    if (access === undefined)
      throw new HttpError(400, `a CS:set holds CS:read or CS:read-write: ${address.slice(0, 100)}`);
    const summary = summaryIn(element);
    if (found.problem === undefined) edits.push({ uid: found.uid, sharee: found.principal, access, summary });
    else {
      refused = true;
      problems.set(address, found.problem);
    }
  }
  const added = edits.filter(
    ({ uid, access }) => access !== undefined && !invited.some(({ sharee }) => sharee === uid),
  );
  if (invited.length + added.length > maxSharees)
    throw new HttpError(403, `a calendar is shared with at most ${maxSharees} others`);
  if (!refused) await editSharees(collection, edits, context.services);
  if (problems.size === 0) return done;
  const good = refused ? 424 : 200;
  return multistatus(
    wanted.map((element) => {
      const address = hrefIn(element);
      const problem = problems.get(address);
      return problem === undefined
        ? statusResponse(address, good)
        : statusResponse(address, 403, undefined, `${address} ${problem}`);
    }),
    { headers },
  );
}

/** POST of a CS:invite-reply to the sharee's home (caldav-sharing §5.4.1). Whoever may add calendars there may answer. Nobody learns
 *  here of a calendar he is not invited to. */
export async function postToHome(home: Shape<"home">, context: Context, request: HttpRequest): Promise<HttpResponse> {
  if (!context.services.settings.sharing.enabled) throw new HttpError(403, "calendars are not shared on this server");
  const root = await rootOf(request, context);
  if (root.name !== cs("invite-reply"))
    throw new HttpError(400, `a calendar home takes CS:invite-reply, found ${root.name}`);
  const accepted = child(root, cs("invite-accepted")) !== undefined;
  if (!accepted && child(root, cs("invite-declined")) === undefined)
    throw new HttpError(400, "a CS:invite-reply holds CS:invite-accepted or CS:invite-declined");
  const host = child(root, cs("hosturl"));
  const calendar = host && (await resolveHref(hrefIn(host), context));
  const reply = { summary: summaryIn(root), address: hrefIn(root) };
  const notInvited = new HttpError(403, `there is no such invitation for ${home.owner.shortName}`);
  if (calendar?.kind !== "calendar" || shareOf(calendar.collection) !== undefined) throw notInvited;
  if (!accepted) {
    if (!(await declineShare(calendar.collection, home.owner, reply, context.services))) throw notInvited;
    return done;
  }
  const link = await acceptShare(calendar.collection, home.owner, reply, context.services);
  const name = link?.path.at(-1);
  if (name === undefined) throw notInvited;
  // Without a final slash, as the original: clients put one behind it.
  const body = writeXml(indented(el(cs("shared-as"), href(`${home.href}${encodeSegment(name)}`))));
  return { status: 200, headers: { ...headers, "Content-Type": xmlType }, body };
}
