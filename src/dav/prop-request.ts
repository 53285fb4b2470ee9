import { HttpError } from "../http/message.ts";
import { child, dav, type Element, elements, type QName } from "../xml/element.ts";

/** What a PROPFIND, or the property part of a report, asks for (RFC 4918 §14.20). */
export type PropRequest =
  | { readonly kind: "allprop"; readonly include: readonly Element[] }
  | { readonly kind: "propname" }
  | { readonly kind: "prop"; readonly properties: readonly Element[] };

/** Different properties in one request; a client asks for some forty, each costs work per member. */
const maxProperties = 500;

const all: PropRequest = { kind: "allprop", include: [] };
const names: PropRequest = { kind: "propname" };
// Parsed bodies are remembered by readXmlCached, and what is prepared for a request hangs on it.
const known = new WeakMap<Element, PropRequest>();

/** Reads a PROPFIND body or the property part of a report's. No body at all asks for all properties (RFC 4918 §9.1); a report
 *  that names none gets none. Throws HttpError(400) for contradictions and, in a PROPFIND, for the absence of all three. */
export function parsePropRequest(root: Element | undefined): PropRequest {
  if (root === undefined) return all;
  const before = known.get(root);
  if (before !== undefined) return before;
  const request = read(root);
  known.set(root, request);
  return request;
}

function read(root: Element): PropRequest {
  const asked = elements(root).filter(({ name }) => asking.has(name));
  const [first, second] = asked;
  if (second !== undefined) throw new HttpError(400, "only one of prop, allprop and propname can be asked for");
  if (first === undefined) {
    if (root.name === dav("propfind")) throw new HttpError(400, "a propfind holds one of prop, allprop and propname");
    return { kind: "prop", properties: [] };
  }
  if (first.name === dav("propname")) return names;
  if (first.name === dav("prop")) return { kind: "prop", properties: distinct(first) };
  const include = child(root, dav("include"));
  return include === undefined ? all : { kind: "allprop", include: distinct(include) };
}

const asking: ReadonlySet<QName> = new Set([dav("prop"), dav("allprop"), dav("propname")]);

function distinct(parent: Element): readonly Element[] {
  const byName = new Map<QName, Element>();
  for (const element of elements(parent)) if (!byName.has(element.name)) byName.set(element.name, element);
  if (byName.size > maxProperties)
    throw new HttpError(400, `at most ${maxProperties} properties can be asked for in one request`);
  return [...byName.values()];
}
