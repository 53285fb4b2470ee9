import { HttpError, type HttpRequest, type HttpResponse } from "../http/message.ts";
import type { Href } from "../model/ids.ts";
import type { Privilege } from "../model/privilege.ts";
import { Refusal } from "../model/refusal.ts";
import { serverElsewhere } from "./elsewhere.ts";
import { freeBusyUrl } from "./free-busy-url.ts";
import { beginning, hidden } from "./hidden.ts";
import { checkIf } from "./locks/if-state.ts";
import { options } from "./options.ts";
import { demand, mayLook } from "./privileges.ts";
import type { Context, Method } from "./registry.ts";
import { parentOf, resolve } from "./resolve.ts";
import {
  isCollection,
  isOwned,
  type Kind,
  navigationKinds,
  principalKinds,
  type Resource,
  type Shape,
} from "./resource.ts";
import { principalAt } from "./urls.ts";

/** Answers a request to the DAV tree: finds the resource and the method, asks for the rights (here and nowhere else), and
 *  hands over. Throws what `errorResponse` turns into an answer. */
export async function dispatch(request: HttpRequest, context: Context): Promise<HttpResponse> {
  beginning(request);
  if (request.path[0] === ".well-known") return wellKnown(request);
  const told = await freeBusyUrl(request, context);
  if (told !== undefined) return told;
  if (request.method === "OPTIONS") return options(request, context);
  const method = context.services.registry.method(request.method);
  if (method === undefined) throw new HttpError(501, `the method ${request.method.slice(0, 40)} is not implemented`);
  const resource = await resolve(request.path, request.rawPath, context);
  if (context.user === undefined) await challengeStrangers(resource, method, request);
  await checkRights(resource, method, request, context);
  if (!(await hasRights(resource, method, request, context))) return blindly(resource, method, request, context);
  if (request.headers["if"] !== undefined) await checkIf(resource, context, request);
  if (!isCollection(resource) || request.rawPath.endsWith("/")) return method.handle(resource, context, request);
  // Browsers must be sent to the slash, or the relative links of a listing go astray. DAV clients hate redirects, so they are
  // answered at once and told the right address (RFC 4918 §5.2).
  if (reading.has(method.name)) return redirect(withQuery(resource.href, request));
  const response = await method.handle(resource, context, request);
  return response.status < 300
    ? { ...response, headers: { "content-location": resource.href, ...response.headers } }
    : response;
}

const reading: ReadonlySet<string> = new Set(["GET", "HEAD"]);
const redirect = (location: string): HttpResponse => ({ status: 301, headers: { location } });
const withQuery = (href: string, { query }: HttpRequest): string => (query.size === 0 ? href : `${href}?${query}`);

/** RFC 6764 §5. Some clients follow with PROPFIND, some with GET; both arrive where `current-user-principal` is found. */
function wellKnown({ path }: HttpRequest): HttpResponse {
  if (path.length === 2 && path[1] === "caldav") return redirect("/principals/");
  throw new HttpError(404, `/${path.join("/")} does not exist`);
}

const ours: ReadonlySet<Kind> = new Set<Kind>([...navigationKinds, ...principalKinds, "unmapped"]);

/** Places that anyone may look at with a browser still ask DAV clients to sign in: Apple's, Thunderbird and Evolution never send
 *  a password when PROPFIND on "/" succeeds without. What an owner opened to everybody stays open. */
async function challengeStrangers({ kind }: Resource, method: Method, request: HttpRequest): Promise<void> {
  if (!ours.has(kind) || reading.has(method.name)) return;
  // In homes it takes as long as where there is something.
  if (kind === "unmapped" && request.path.length > 2) await hidden(request, request.rawPath);
  throw new HttpError(401, "sign in first");
}

/** Throws unless the user may do it. Who may not even look around hears the same of everything that is or is not there: whatever
 *  the method, it is reading that lacks, of the path that was asked. */
async function checkRights(resource: Resource, method: Method, request: HttpRequest, context: Context): Promise<void> {
  try {
    if (resource.kind === "unmapped") await checkUnmapped(resource, method, request, context);
    else await checkMapped(resource, method, request, context);
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason.code !== "need-privileges") throw error;
    if (await mayLook(resource, request.path, request.rawPath, context)) throw error;
    throw await hidden(request, request.rawPath);
  }
}

/** Whether the user holds any right here that has been asked for: a method that asks for none by itself, but for one that depends
 *  on the body, lets in whoever wants to. */
const hasRights = async (
  resource: Resource,
  method: Method,
  { path, rawPath }: HttpRequest,
  context: Context,
): Promise<boolean> => method.needs(resource).length > 0 || mayLook(resource, path, rawPath, context);

/** A request by who may not look, to a method that asks for rights itself. If it lets them in, well; if not, they hear no more
 *  than of anything that is hidden. REPORT says so itself: who may only see busy time is told what is wrong with the question. */
async function blindly(
  resource: Resource,
  method: Method,
  request: HttpRequest,
  context: Context,
): Promise<HttpResponse> {
  try {
    return await method.handle(resource, context, request);
  } catch (error) {
    if (method.name === "REPORT" || !(error instanceof Refusal || error instanceof HttpError)) throw error;
    throw await hidden(request, request.rawPath);
  }
}

async function checkMapped(
  resource: Exclude<Resource, { kind: "unmapped" }>,
  method: Method,
  request: HttpRequest,
  context: Context,
): Promise<void> {
  if (!method.on.includes(resource.kind)) {
    // Only who may look learns what is inside a home.
    if (resource.kind !== "home" && !ours.has(resource.kind)) await demand(context, resource, ["read"]);
    else if (context.user === undefined) await demand(context, resource, ["read"]);
    throw notAllowed(resource.kind, context);
  }
  const { own, above } = split(method.needs(resource));
  // A refusal repeats the path as it was asked: a slash put right would tell that there is a collection.
  if (own.length > 0) await demand(context, { ...resource, href: request.rawPath as Href }, own);
  if (above.length === 0) return;
  const parent = await parentOf(resource, request.path, request.rawPath, context);
  if (parent === undefined) throw new HttpError(403, `${resource.href} is not to be touched`);
  await demand(context, parent, above);
}

async function checkUnmapped(
  resource: Shape<"unmapped">,
  method: Method,
  request: HttpRequest,
  context: Context,
): Promise<void> {
  const takes = method.on.includes("unmapped");
  const { parent } = resource;
  if (parent === undefined || !isOwned(parent)) await checkRecord(request, context);
  if (takes && parent !== undefined) return demand(context, parent, split(method.needs(resource)).above);
  if (!(await mayLook(resource, request.path, request.rawPath, context)))
    throw new Refusal({ code: "need-privileges", href: resource.href, privileges: ["read"] });
  if (!takes) throw new HttpError(404, `${request.rawPath.slice(0, 200)} does not exist`);
}

/** The second of the guide's two gates: calendars must be switched on in the user's own record. Only to the user is it said;
 *  for all others there is no such home. Calendars that the record gives to another server are there, for whoever asks. */
async function checkRecord(request: HttpRequest, { user, services: { directory, settings } }: Context): Promise<void> {
  const [place, type, name] = request.path;
  if (place !== "calendars" || type === undefined || name === undefined || user === undefined) return;
  const owner = await principalAt(directory, type, name);
  if (owner === undefined || owner.calendaring) return;
  const server = serverElsewhere(owner, settings);
  // 307 keeps method and body (RFC 9110 §15.4.8).
  if (server !== undefined)
    throw new HttpError(307, `${owner.shortName} has calendars on ${owner.hosting?.server}`, {
      location: withQuery(`${server}${request.rawPath}`, request),
    });
  if (owner.uid === user.uid)
    throw new HttpError(403, `calendars are not switched on in the directory record of ${user.shortName}`);
}

interface Needs {
  readonly own: readonly Privilege[];
  readonly above: readonly Privilege[];
}

function split(needs: readonly (Privilege | `parent ${Privilege}`)[]): Needs {
  const own: Privilege[] = [];
  const above: Privilege[] = [];
  for (const need of needs) {
    if (need.startsWith("parent ")) above.push(need.slice(7) as Privilege);
    else own.push(need as Privilege);
  }
  return { own, above };
}

function notAllowed(kind: Kind, { services: { registry } }: Context): HttpError {
  const allow = ["OPTIONS", ...registry.methodsOn(kind).map(({ name }) => name)].join(", ");
  return new HttpError(405, `this resource takes ${allow}`, { allow });
}
