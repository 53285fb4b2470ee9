import { httpDate } from "../../http/dates.ts";
import { depthOf } from "../../http/headers.ts";
import type { HttpRequest } from "../../http/message.ts";
import { HttpError } from "../../http/message.ts";
import { preferencesOf } from "../../http/prefer.ts";
import { Refusal } from "../../model/refusal.ts";
import { isMinimal, multistatus, parsePropRequest, responsesFor } from "../multistatus.ts";
import type { Context, Method } from "../registry.ts";
import { childrenOf } from "../resolve.ts";
import type { Resource } from "../resource.ts";
import { isCollection, navigationKinds, resourceKinds } from "../resource.ts";
import { counted } from "./count.ts";
import { stateOf } from "./preconditions.ts";
import { appliedTo } from "./preferences.ts";
import { xmlBody } from "./xml-body.ts";

const navigation: ReadonlySet<string> = new Set(navigationKinds);

/** PROPFIND (RFC 4918 §9.1). Depth infinity reaches down a home; above the homes it would walk the directory of all
 *  principals, so it is refused there with propfind-finite-depth. */
export const propfindMethod: Method = {
  name: "PROPFIND",
  on: resourceKinds,
  needs: () => ["read"],
  async handle(resource, context, request) {
    const depth = depthOf(request.headers, "infinity");
    const root = await xmlBody(request, context);
    if (root !== undefined && root.name !== "{DAV:}propfind")
      throw new HttpError(400, `the body of a PROPFIND must be a DAV:propfind, found ${root.name}`);
    const asked = parsePropRequest(root);
    if (depth === "infinity" && navigation.has(resource.kind)) throw new Refusal({ code: "propfind-finite-depth" });
    const noRoot = depth !== "0" && preferencesOf(request.headers).noRoot;
    const pages = depth === "0" ? alone(resource, request) : counted(below(resource, depth, noRoot, context), request);
    const { modified } = stateOf(resource) ?? {};
    // As the original; some of its clients looked here instead of asking for DAV:getlastmodified.
    const headers = {
      ...appliedTo(request, noRoot),
      ...(modified === undefined ? {} : { "Last-Modified": httpDate(modified) }),
    };
    // In a calendar that one may read, PRIVATE objects and those with an ACL against one are refused by name, as in all versions of
    // the original: GET refuses them too. Collections that one may not read are not mentioned.
    const options = { minimal: isMinimal(request), unreadable: "refuse-objects" } as const;
    return multistatus(responsesFor(asked, pages, context, options), { headers });
  },
};

function alone(resource: Resource, request: HttpRequest): Iterable<readonly Resource[]> {
  request.log.items.push("responses=1");
  return [[resource]];
}

async function* below(
  resource: Resource,
  depth: "1" | "infinity",
  noRoot: boolean,
  context: Context,
): AsyncGenerator<readonly Resource[]> {
  // RFC 8144 §3: clients that know the collection ask for its members only.
  if (!noRoot) yield [resource];
  yield* descendants(resource, depth, context);
}

async function* descendants(
  resource: Resource,
  depth: "1" | "infinity",
  context: Context,
): AsyncGenerator<readonly Resource[]> {
  if (!isCollection(resource)) return;
  for await (const page of childrenOf(resource, context)) {
    yield page;
    if (depth === "1") continue;
    // Nobody is led through what they may not read.
    for (const inner of page)
      if (isCollection(inner) && (await context.privileges(inner)).has("read"))
        yield* descendants(inner, depth, context);
  }
}
