import type { Element, QName, XmlValue } from "../xml/element.ts";
import type { Context } from "./registry.ts";
import type { Resource } from "./resource.ts";
import { isHidden } from "./stored.ts";

/** One property of one resource, for reports that look at values themselves. */
export interface PropertyValue {
  readonly status: 200 | 403 | 404;
  /** There when the status is 200. An element of the property's own name stands for the property with its attributes. */
  readonly value: XmlValue | undefined;
}

const absent: PropertyValue = { status: 404, value: undefined };
const denied: PropertyValue = { status: 403, value: undefined };

/** The value as PROPFIND would tell it to this user; whether the resource may be read at all is the caller's to ask. */
export async function propertyValue(requested: Element, resource: Resource, context: Context): Promise<PropertyValue> {
  const { name } = requested;
  const live = context.services.registry.property(name, resource.kind);
  if (live === undefined) {
    const stored = isHidden(name) ? undefined : await storedOf(name, resource);
    return stored === undefined ? absent : { status: 200, value: stored };
  }
  if (live.needs !== undefined && !(await context.privileges(resource)).has(live.needs)) return denied;
  const stored = live.readsStored ? await storedOf(name, resource) : undefined;
  const value = await live.get(resource, context, requested, stored);
  return value === undefined ? absent : { status: 200, value };
}

async function storedOf(name: QName, resource: Resource): Promise<Element | undefined> {
  if (!("collection" in resource)) return undefined;
  if (!("entry" in resource)) return (await resource.collection.properties()).get(name);
  if (!resource.entry.hasProperties) return undefined;
  return (await resource.collection.properties(resource.entry.name)).get(name);
}
