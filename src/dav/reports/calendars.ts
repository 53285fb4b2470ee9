import type { Depth } from "../../http/headers.ts";
import type { Privilege } from "../../model/privilege.ts";
import type { Context } from "../registry.ts";
import { childrenOf } from "../resolve.ts";
import type { Resource, Shape } from "../resource.ts";
import type { ObjectCollection } from "./members.ts";

/** The calendars that a report on the resource looks into (RFC 4791 §7.8, §7.10). A calendar or an inbox is looked into whatever
 *  the Depth; of a home or folder, the calendars directly inside at Depth 1, and at any level at infinity. Calendars without
 *  the privilege are left out. */
export async function* calendarsIn(
  resource: Resource,
  depth: Depth,
  needs: Privilege,
  context: Context,
): AsyncGenerator<ObjectCollection> {
  if (resource.kind === "calendar" || resource.kind === "inbox") yield resource;
  else if (depth !== "0" && (resource.kind === "home" || resource.kind === "folder"))
    for await (const calendar of calendarsBelow(resource, depth, context))
      if ((await context.privileges(calendar)).has(needs)) yield calendar;
}

async function* calendarsBelow(
  resource: Shape<"home" | "folder">,
  depth: Depth,
  context: Context,
): AsyncGenerator<Shape<"calendar">> {
  for await (const page of childrenOf(resource, context))
    for (const inner of page) {
      if (inner.kind === "calendar") yield inner;
      else if (inner.kind === "folder" && depth === "infinity") yield* calendarsBelow(inner, depth, context);
    }
}
