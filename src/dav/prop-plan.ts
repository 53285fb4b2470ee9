import type { Element, QName, XmlValue } from "../xml/element.ts";
import { escapeText, propertyMarkup, serialize, tagOf } from "../xml/write.ts";
import type { PropRequest } from "./prop-request.ts";
import type { AnyProperty, Registry } from "./registry.ts";
import type { Kind } from "./resource.ts";

/** One property to answer for each resource of a kind. */
export class Step {
  readonly name: QName;
  readonly requested: Element;
  /** undefined: a dead property, if it is there at all. */
  readonly live: AnyProperty | undefined;
  /** As it stands in a 404 propstat. */
  readonly empty: string;
  readonly #open: string;
  readonly #close: string;
  #value: XmlValue | undefined;
  #markup = "";

  constructor(requested: Element, live: AnyProperty | undefined) {
    const tags = tagOf(requested.name);
    this.name = requested.name;
    this.requested = requested;
    this.live = live;
    this.empty = tags.empty;
    this.#open = tags.open;
    this.#close = tags.close;
  }

  /** The property with its value. Most values that are elements are the same one for every member; its text is kept. */
  markup(value: XmlValue): string {
    if (typeof value === "string") return value === "" ? this.empty : this.#open + escapeText(value) + this.#close;
    if (value === this.#value) return this.#markup;
    const markup = "name" in value && value.name === this.name ? serialize(value) : propertyMarkup(this.name, value);
    this.#value = value;
    this.#markup = markup;
    return markup;
  }
}

/** What a request means for one kind of resource. */
export interface Plan {
  readonly registry: Registry;
  readonly kind: PropRequest["kind"];
  readonly steps: readonly Step[];
  /** Whether stored (dead) properties have to be looked at. */
  readonly stored: boolean;
}

const readsStored = (live: AnyProperty | undefined): boolean => live === undefined || live.readsStored;

function make(request: PropRequest, kind: Kind, registry: Registry): Plan {
  const step = (requested: Element): Step => new Step(requested, registry.property(requested.name, kind));
  const bare = (name: QName): Element => ({ name, attributes: {}, children: [] });
  if (request.kind === "prop") {
    const steps = request.properties.map(step);
    return { registry, kind: "prop", steps, stored: steps.some(({ live }) => readsStored(live)) };
  }
  const live = registry.propertiesOn(kind);
  if (request.kind === "propname")
    return { registry, kind: "propname", steps: live.map(({ name }) => step(bare(name))), stored: true };
  const included = request.include.filter(({ name }) => registry.property(name, kind)?.allprop !== true);
  const steps = [...live.filter(({ allprop }) => allprop).map(({ name }) => step(bare(name))), ...included.map(step)];
  return { registry, kind: "allprop", steps, stored: true };
}

const plans = new WeakMap<PropRequest, Map<Kind, Plan>>();

/** The plan, made once per request text and kind and kept while the text is remembered. */
export function planFor(request: PropRequest, kind: Kind, registry: Registry): Plan {
  let byKind = plans.get(request);
  if (byKind === undefined) {
    byKind = new Map();
    plans.set(request, byKind);
  }
  const known = byKind.get(kind);
  if (known !== undefined && known.registry === registry) return known;
  const plan = make(request, kind, registry);
  byKind.set(kind, plan);
  return plan;
}
