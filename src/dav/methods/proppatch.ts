import { HttpError } from "../../http/message.ts";
import { preferenceApplied, preferencesOf } from "../../http/prefer.ts";
import { dav } from "../../xml/element.ts";
import { resourceGuard } from "../locks/guard.ts";
import { multistatus, propstatResponse } from "../multistatus.ts";
import type { Method } from "../registry.ts";
import type { Resource } from "../resource.ts";
import { collectionKinds, memberKinds, principalKinds } from "../resource.ts";
import { checkEntry, checkPreconditions } from "./preconditions.ts";
import { instructionsOf, judge } from "./property-edits.ts";
import { xmlBody } from "./xml-body.ts";

/** PROPPATCH (RFC 4918 §9.2): all instructions take effect, or none. With `Prefer: return=minimal` or `Brief: t` a success has no
 *  body (RFC 8144 §2.2). Principals store nothing; what can be set there takes effect elsewhere. */
export const proppatchMethod: Method = {
  name: "PROPPATCH",
  on: [...collectionKinds, ...memberKinds, ...principalKinds],
  needs: () => ["write-properties"],
  async handle(resource, context, request) {
    await checkPreconditions(resource, context, request);
    const root = await xmlBody(request, context);
    if (root?.name !== dav("propertyupdate"))
      throw new HttpError(
        400,
        `the body of a PROPPATCH must be a DAV:propertyupdate, found ${root?.name ?? "nothing"}`,
      );
    const instructions = instructionsOf(root);
    if (instructions.length === 0) throw new HttpError(400, "the DAV:propertyupdate names no property");
    const allowed = resourceGuard(resource, context, request);
    // Before anything that takes effect at once.
    await allowed();
    const verdict = await judge(instructions, resource, context);
    if (!verdict.accepted) return multistatus([propstatResponse(resource.href, verdict.groups)]);
    if (verdict.edits.size > 0) await store(resource, verdict.edits, allowed, (entry) => checkEntry(request, entry));
    if (preferencesOf(request.headers).minimal) return { status: 200, headers: preferenceApplied("return=minimal") };
    const names = [...new Set(instructions.map(({ name }) => name))];
    return multistatus([propstatResponse(resource.href, [{ status: 200, properties: names }])]);
  },
};

type Edits = Extract<Awaited<ReturnType<typeof judge>>, { accepted: true }>["edits"];

async function store(
  resource: Resource,
  edits: Edits,
  allowed: () => void | Promise<void>,
  recheck: (entry: Parameters<typeof checkEntry>[1]) => void,
): Promise<void> {
  if (!("collection" in resource)) throw new HttpError(403, `${resource.href} stores no properties`);
  await resource.collection.change(async (change) => {
    await allowed();
    if (!("entry" in resource)) return change.setProperties(undefined, edits);
    const { name } = resource.entry;
    const entry = change.entry(name);
    if (entry === undefined) throw new HttpError(404, `${resource.href} was removed meanwhile`);
    recheck(entry);
    await change.setProperties(name, edits);
  });
}
