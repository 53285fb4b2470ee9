import type { HttpRequest, HttpResponse } from "../http/message.ts";
import { cs, dav } from "../xml/element.ts";
import type { Context } from "./registry.ts";
import { resolve } from "./resolve.ts";
import type { Resource } from "./resource.ts";

/** OPTIONS, answered to anybody: clients probe before they sign in. `Allow` names the methods of this resource to who may read
 *  it, and all there are to others, so nothing hidden shows. */
export async function options(request: HttpRequest, context: Context): Promise<HttpResponse> {
  const { registry } = context.services;
  const resource = context.user && (await resolve(request.path, request.rawPath, context));
  const visible =
    resource !== undefined && resource.kind !== "unmapped" && (await context.privileges(resource)).has("read");
  const methods = visible ? registry.methodsOn(resource.kind) : [...registry.methods.values()];
  const allow = ["OPTIONS", ...methods.map(({ name }) => name)].join(", ");
  const dav = complianceClasses(request, resource, context);
  // Explorer and Office take a server for one of theirs, or for none that can be written, unless it says so.
  return { status: 200, headers: { allow, dav, "ms-author-via": "DAV", "content-length": "0" } };
}

const webdav = "1, 2, 3, access-control, extended-mkcol";

/** The DAV header (RFC 4918 §10.1). Above homes and principals nothing of calendars is claimed, as in the original; DAVx5 looks
 *  for calendar-access on the principal, Thunderbird for the scheduling tokens on the home. */
function complianceClasses({ path }: HttpRequest, resource: Resource | undefined, { services }: Context): string {
  const { registry, settings } = services;
  const bare = path[0] === "calendars" ? path.length < 3 : path[0] !== "principals";
  if (bare || (resource?.kind === "principal" && !resource.principal.calendaring)) return webdav;
  const tokens = [webdav, "calendar-access"];
  // Only what the registered reports and methods really do is claimed.
  if (settings.scheduling.implicit) tokens.push("calendar-schedule", "calendar-auto-schedule");
  tokens.push("calendar-availability", "inbox-availability");
  if (settings.proxyPrincipals) tokens.push("calendar-proxy");
  if (settings.timeZoneService) tokens.push("calendar-no-timezone");
  if (settings.attachments.managed) tokens.push("calendar-managed-attachments");
  if (settings.privateEvents) tokens.push("calendarserver-private-events");
  if (settings.scheduling.privateComments) tokens.push("calendarserver-private-comments");
  // Sharees' clients are told to leave invitations to the owner's.
  if (settings.sharing.enabled) tokens.push("calendarserver-sharing", "calendarserver-sharing-no-scheduling");
  if (registry.report(dav("principal-property-search"), "principal-root") !== undefined)
    tokens.push("calendarserver-principal-property-search");
  if (registry.report(cs("calendarserver-principal-search"), "principal-root") !== undefined)
    tokens.push("calendarserver-principal-search");
  if (registry.report(dav("sync-collection"), "home") !== undefined) tokens.push("calendarserver-home-sync");
  return tokens.join(", ");
}
