import { HttpError } from "../../http/message.ts";
import { Refusal } from "../../model/refusal.ts";
import type { PropertyEdits } from "../../store/contract.ts";
import { child, dav, type Element, elements, type QName } from "../../xml/element.ts";
import { conditionOf } from "../conditions.ts";
import type { PropstatGroup } from "../multistatus.ts";
import type { Context } from "../registry.ts";
import type { Resource } from "../resource.ts";
import { isHidden } from "../stored.ts";

/** One property of a DAV:set (its element) or a DAV:remove (null). */
export interface Instruction {
  readonly name: QName;
  readonly value: Element | null;
}

/** What became of a list of instructions: all may be stored, or none (RFC 4918 §9.2). */
export type Verdict =
  | { readonly accepted: true; readonly edits: PropertyEdits }
  | { readonly accepted: false; readonly groups: readonly PropstatGroup[] };

/** Clients change a handful at a time; what is stored with one resource is read and written as a whole. */
const maxInstructions = 500;

/** The instructions below a DAV:propertyupdate, DAV:mkcol or CALDAV:mkcalendar, in document order.
 *  Throws HttpError(400) for a DAV:set or DAV:remove without DAV:prop, HttpError(413) beyond `maxInstructions`. */
export function instructionsOf(root: Element): readonly Instruction[] {
  const found: Instruction[] = [];
  for (const action of elements(root)) {
    const set = action.name === dav("set");
    if (!set && action.name !== dav("remove")) continue;
    const prop = child(action, dav("prop"));
    if (prop === undefined) throw new HttpError(400, `DAV:${set ? "set" : "remove"} holds no DAV:prop`);
    for (const property of elements(prop)) {
      // RFC 4918 §9.2, §4.3: the language in scope is part of the value.
      found.push({ name: property.name, value: set ? withLanguage(property, prop, action, root) : null });
      if (found.length > maxInstructions)
        throw new HttpError(413, `at most ${maxInstructions} properties can be changed in one request`);
    }
  }
  return found;
}

const language = "{http://www.w3.org/XML/1998/namespace}lang";

function withLanguage(property: Element, ...ancestors: readonly Element[]): Element {
  if (property.attributes[language] !== undefined) return property;
  const inherited = ancestors.find((ancestor) => ancestor.attributes[language] !== undefined)?.attributes[language];
  return inherited === undefined
    ? property
    : { ...property, attributes: { ...property.attributes, [language]: inherited } };
}

/** Asks every live property whether it takes its new value; properties that are not live are stored as they are. Protected
 *  ones are found before any is asked, for an answer may take effect at once. Where one refuses, its group carries the
 *  reason and all others 424 (RFC 4918 §11.4). */
export async function judge(
  instructions: readonly Instruction[],
  resource: Resource,
  context: Context,
): Promise<Verdict> {
  const { registry } = context.services;
  const failures = new Map<QName, PropstatGroup>();
  for (const { name } of instructions) {
    const property = registry.property(name, resource.kind);
    if (property === undefined ? isNobodys(name, resource, context) : property.accept === undefined)
      failures.set(name, failureOf(name, new Refusal({ code: "cannot-modify-protected-property", name })));
  }
  const edits = new Map<QName, Element | null>();
  if (failures.size === 0) {
    for (const { name, value } of instructions) {
      const property = registry.property(name, resource.kind);
      try {
        const stored = property?.accept === undefined ? value : await property.accept(value, resource, context);
        if (stored === undefined) edits.delete(name);
        else edits.set(name, stored);
        if (stored !== null) for (const other of property?.replaces ?? []) edits.set(other, null);
      } catch (error) {
        failures.set(name, failureOf(name, error));
        break;
      }
    }
  }
  if (failures.size === 0) return { accepted: true, edits };
  return { accepted: false, groups: withDependents([...failures.values()], instructions) };
}

/** Whether a property that the resource does not have cannot be stored with it. Principals store nothing; and what the server computes
 *  elsewhere would be taken for its word here too (as the original, which protected names). */
const isNobodys = (name: QName, resource: Resource, { services: { registry } }: Context): boolean =>
  isPrincipal(resource) || isHidden(name) || registry.isProtected(name);

const isPrincipal = ({ kind }: Resource): boolean => kind === "principal" || kind === "proxy-group";

/** The group of a property that was refused. Anything but a Refusal or HttpError is a fault and thrown on. */
export function failureOf(name: QName, error: unknown): PropstatGroup {
  if (error instanceof Refusal) {
    const { status, element, text } = conditionOf(error.reason);
    return { status, properties: [name], error: element, description: text };
  }
  if (error instanceof HttpError) return { status: error.status, properties: [name], description: error.message };
  throw error;
}

/** The refused properties' groups and one of 424 for every other property asked for. */
export function withDependents(
  failed: readonly PropstatGroup[],
  instructions: readonly Instruction[],
): readonly PropstatGroup[] {
  const refused = new Set(failed.flatMap((group) => group.properties));
  const others = new Set(instructions.map(({ name }) => name).filter((name) => !refused.has(name)));
  return others.size === 0 ? failed : [...failed, { status: 424, properties: [...others] }];
}
