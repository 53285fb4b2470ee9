import { HttpError, type HttpRequest } from "../../http/message.ts";
import type { Privilege } from "../../model/privilege.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Element, QName } from "../../xml/element.ts";
import { CALDAV, CS, DAV, localOf, namespaceOf } from "../../xml/element.ts";
import { hidden } from "../hidden.ts";
import { demand } from "../privileges.ts";
import type { Context, Method } from "../registry.ts";
import { type Resource, resourceKinds } from "../resource.ts";
import { xmlBody } from "./xml-body.ts";

/** REPORT (RFC 3253 §3.6). What a report needs differs, so the privilege is asked for here, once the body says which it is. */
export const reportMethod: Method = {
  name: "REPORT",
  on: resourceKinds,
  needs: () => [],
  async handle(resource, context, request) {
    const held = await context.privileges(resource);
    const root = held.has("read")
      ? await xmlBody(request, context)
      : await bodyOfUnread(resource, held, context, request);
    if (root === undefined) throw new HttpError(400, "a REPORT needs a body that names the report");
    const report = context.services.registry.report(root.name, resource.kind);
    if (report === undefined) {
      await demand(context, resource, ["read"]);
      throw new Refusal({
        code: "supported-report",
        problem: `${logName(root.name)} is not a report of this resource; see DAV:supported-report-set`,
      });
    }
    request.log.report = logName(report.name);
    await demand(context, resource, [report.needs]);
    return report.run(root, resource, context, request);
  },
};

/** Who may not read hears nothing but that, unless the body asks for a report that needs less, and whole. */
async function bodyOfUnread(
  resource: Resource,
  held: ReadonlySet<Privilege>,
  context: Context,
  request: HttpRequest,
): Promise<Element> {
  const { registry } = context.services;
  if (registry.reportsOn(resource.kind).some(({ needs }) => held.has(needs))) {
    const root = await xmlBody(request, context).catch(() => undefined);
    const report = root && registry.report(root.name, resource.kind);
    if (root !== undefined && report !== undefined && held.has(report.needs)) return root;
  }
  throw await hidden(request, request.rawPath);
}

const prefixes: Readonly<Record<string, string>> = { [DAV]: "DAV", [CALDAV]: "CalDAV", [CS]: "CS" };

/** As the original's access log named them: `CalDAV:calendar-query`. */
function logName(name: QName): string {
  const namespace = namespaceOf(name);
  return `${prefixes[namespace] ?? namespace}:${localOf(name)}`;
}
