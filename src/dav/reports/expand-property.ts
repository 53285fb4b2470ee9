import { STATUS_CODES } from "node:http";
import { yieldToLoop } from "../../base/stream.ts";
import { HttpError } from "../../http/message.ts";
import { Refusal } from "../../model/refusal.ts";
import {
  childrenNamed,
  DAV,
  dav,
  type Element,
  el,
  href as hrefElement,
  isElement,
  type QName,
  textOf,
  type XmlValue,
} from "../../xml/element.ts";
import { serialize } from "../../xml/write.ts";
import { multistatus } from "../multistatus.ts";
import { mayLook } from "../privileges.ts";
import { propertyValue } from "../property-value.ts";
import { type Context, report } from "../registry.ts";
import { resolveHref } from "../resolve.ts";
import { type Resource, resourceKinds } from "../resource.ts";
import { segmentsOf } from "../urls.ts";
import { requireDepth0 } from "./principal-search.ts";

/** A property to be shown, and what is to be shown of the resources its hrefs name. */
interface Wanted {
  readonly name: QName;
  readonly inside: readonly Wanted[];
}

/** Names of properties nested deeper are refused; clients go two levels down. */
const maxDepth = 16;
/** Resources shown in one answer. Groups of groups multiply. */
const maxResponses = 5000;
/** Others get their turn after so many. */
const pause = 64;

/** DAV:expand-property (RFC 3253 §3.8): in the value of a property, every href gives way to a response about the resource it
 *  names. To any depth; a loop of groups ends where the request does. */
export const expandProperty = report({
  name: dav("expand-property"),
  on: resourceKinds,
  needs: "read",
  parse: (root): readonly Wanted[] => wantedIn(root, 1),
  async run(wanted, resource, context, request) {
    requireDepth0(request);
    const expansion = new Expansion(context);
    const parts = [`${serialize(await expansion.response(resource.href, resource, wanted))}\n`];
    request.log.items.push(`responses=${expansion.responses}`);
    return multistatus(parts);
  },
});

function wantedIn(parent: Element, depth: number): readonly Wanted[] {
  if (depth > maxDepth) throw new HttpError(400, `an expand-property has at most ${maxDepth} levels`);
  return childrenNamed(parent, dav("property")).map((element) => {
    const { name, namespace = DAV } = element.attributes;
    if (name === undefined || name === "") throw new HttpError(400, "a DAV:property has no name");
    return { name: `{${namespace}}${name}` as QName, inside: wantedIn(element, depth + 1) };
  });
}

const statusText = (status: number): string => `HTTP/1.1 ${status} ${STATUS_CODES[status]}`;

class Expansion {
  readonly #context: Context;
  responses = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The DAV:response about a resource, under the href that led to it. */
  async response(href: string, resource: Resource | undefined, wanted: readonly Wanted[]): Promise<Element> {
    this.responses += 1;
    if (this.responses > maxResponses)
      throw new Refusal({ code: "number-of-matches-within-limits", limit: maxResponses });
    // A group of thousands is expanded without holding up everybody else.
    if (this.responses % pause === 0) await yieldToLoop();
    const about = (status: number): Element =>
      el(dav("response"), hrefElement(href), el(dav("status"), statusText(status)));
    if (resource === undefined) return about(404);
    if (resource.kind === "unmapped") return about((await this.#mayLook(href, resource)) ? 404 : 403);
    const granted = await this.#context.privileges(resource);
    if (!granted.has("read")) return about(403);
    const found: Element[] = [];
    const refused: Element[] = [];
    const missing: Element[] = [];
    for (const { name, inside } of wanted) {
      const { status, value } = await propertyValue(el(name), resource, this.#context);
      if (value !== undefined) found.push(await this.#expanded(withName(name, value), inside));
      else (status === 403 ? refused : missing).push(el(name));
    }
    const propstat = (status: number, properties: readonly Element[]): readonly Element[] =>
      properties.length === 0
        ? []
        : [el(dav("propstat"), el(dav("prop"), ...properties), el(dav("status"), statusText(status)))];
    const propstats = [...propstat(200, found), ...propstat(403, refused), ...propstat(404, missing)];
    if (propstats.length === 0) return about(200);
    return el(dav("response"), hrefElement(href), ...propstats);
  }

  async #mayLook(href: string, resource: Resource): Promise<boolean> {
    const at = segmentsOf(href);
    return at !== undefined && mayLook(resource, at.path, at.rawPath, this.#context);
  }

  /** The property with a response in the place of each href, one after the other: the answer's size is bounded while it grows. */
  async #expanded(property: Element, inside: readonly Wanted[]): Promise<Element> {
    if (inside.length === 0) return property;
    const children: (Element | string)[] = [];
    for (const child of property.children) {
      if (!isElement(child)) children.push(child);
      else if (child.name !== dav("href")) children.push(await this.#expanded(child, inside));
      else {
        const href = textOf(child).trim();
        children.push(await this.response(href, await resolveHref(href, this.#context), inside));
      }
    }
    return { ...property, children };
  }
}

/** A property's value as its element. */
function withName(name: QName, value: XmlValue): Element {
  if (typeof value === "string") return el(name, value);
  if (!("name" in value)) return el(name, ...value);
  return value.name === name ? value : el(name, value);
}
