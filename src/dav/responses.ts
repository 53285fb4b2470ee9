import { chunkSize, Turns } from "../base/stream.ts";
import { HttpError } from "../http/message.ts";
import type { Privilege } from "../model/privilege.ts";
import { Refusal } from "../model/refusal.ts";
import type { Collection } from "../store/contract.ts";
import type { Element, QName, XmlValue } from "../xml/element.ts";
import { escapeText, serialize, tagOf } from "../xml/write.ts";
import { conditionOf } from "./conditions.ts";
import { type Plan, planFor } from "./prop-plan.ts";
import type { PropRequest } from "./prop-request.ts";
import { statusMarkup, statusResponse } from "./propstat.ts";
import type { Answer, Context } from "./registry.ts";
import type { Resource } from "./resource.ts";
import { isHidden } from "./stored.ts";

/** A property that the report itself answers, such as CALDAV:calendar-data. */
export type Computed = (resource: Resource, requested: Element) => Answer;

export interface ResponseOptions {
  /** Properties that are not there are not mentioned (RFC 8144 §2.1). */
  readonly minimal: boolean;
  /** What becomes of a resource the user may not read. Default "skip"; "refuse" answers 403 for it, "refuse-objects" for calendar
   *  objects only. */
  readonly unreadable?: "skip" | "refuse" | "refuse-objects";
  readonly computed?: ReadonlyMap<QName, Computed>;
}

type Stored = ReadonlyMap<QName, Element>;
const nothingStored: Stored = new Map();
/** Members looked at together, so that those which wait for a file wait at the same time. */
const together = 16;

/** The DAV:response of each resource, several in one string. `pages` may mix kinds. Resources that vanish meanwhile, and what
 *  goes wrong with one of them, become that resource's status and harm no other. */
export async function* responsesFor(
  request: PropRequest,
  pages: AsyncIterable<readonly Resource[]> | Iterable<readonly Resource[]>,
  context: Context,
  options: ResponseOptions,
): AsyncGenerator<string, void, undefined> {
  const responder = new Responder(request, context, options);
  // What a report computes (an expansion of a thousand instances) may take as long as many answers.
  const turns = options.computed === undefined ? undefined : new Turns();
  let text = "";
  for await (const page of pages) {
    for (let at = 0; at < page.length; ) {
      const pieces: (string | Promise<string>)[] = [];
      for (const end = at + together; at < page.length && at < end; at++) {
        const resource = page[at];
        if (resource !== undefined) pieces.push(responder.response(resource));
        const turn = turns?.next();
        if (turn !== undefined) await turn;
      }
      for (const piece of pieces) text += typeof piece === "string" ? piece : await piece;
      if (text.length >= chunkSize) {
        yield text;
        text = "";
      }
    }
  }
  if (text !== "") yield text;
}

/** Whether the member has no rights of its own, so that those of its collection hold. */
const inheritsAll = (resource: Resource): resource is Extract<Resource, { entry: unknown }> =>
  "entry" in resource && !resource.entry.hasAcl && resource.entry.access === undefined;

class Responder {
  readonly #request: PropRequest;
  readonly #context: Context;
  readonly #options: ResponseOptions;
  #collection: Collection | undefined;
  #granted: ReadonlySet<Privilege> | undefined;
  #kind: Resource["kind"] | undefined;
  #plan: Plan | undefined;
  #computed: readonly (Computed | undefined)[] = [];

  constructor(request: PropRequest, context: Context, options: ResponseOptions) {
    this.#request = request;
    this.#context = context;
    this.#options = options;
  }

  /** Never throws, never rejects. A string at once for a member of the collection asked last, if nothing has to be waited for. */
  response(resource: Resource): string | Promise<string> {
    if (this.#granted !== undefined && inheritsAll(resource) && resource.collection === this.#collection) {
      try {
        const answer = this.#answer(resource, this.#granted);
        return typeof answer === "string" ? answer : answer.catch((error) => this.#failed(resource, error));
      } catch (error) {
        return this.#failed(resource, error);
      }
    }
    return this.#first(resource).catch((error) => this.#failed(resource, error));
  }

  async #first(resource: Resource): Promise<string> {
    const granted = await this.#context.privileges(resource);
    if (inheritsAll(resource)) {
      this.#collection = resource.collection;
      this.#granted = granted;
    }
    return this.#answer(resource, granted);
  }

  #failed(resource: Resource, error: unknown): string {
    if (error instanceof Refusal) {
      const { status, element, text } = conditionOf(error.reason);
      return statusResponse(resource.href, status, element, text);
    }
    if (error instanceof HttpError) return statusResponse(resource.href, error.status, undefined, error.message);
    this.#context.services.warn("a resource could not be answered", { href: resource.href, error });
    return statusResponse(resource.href, 500);
  }

  #answer(resource: Resource, granted: ReadonlySet<Privilege>): string | Promise<string> {
    if (!granted.has("read")) {
      const { unreadable } = this.#options;
      if (unreadable === "refuse-objects" && resource.kind === "object") return statusResponse(resource.href, 403);
      if (unreadable !== "refuse") return "";
      throw new Refusal({ code: "need-privileges", href: resource.href, privileges: ["read"] });
    }
    if (this.#plan === undefined || this.#kind !== resource.kind) this.#prepare(resource.kind);
    const plan = this.#plan as Plan;
    const computed = this.#computed;
    if (!plan.stored || !("collection" in resource))
      return this.#values(resource, granted, plan, computed, nothingStored);
    if ("entry" in resource) {
      if (!resource.entry.hasProperties) return this.#values(resource, granted, plan, computed, nothingStored);
      return resource.collection
        .properties(resource.entry.name)
        .then((stored) => this.#values(resource, granted, plan, computed, stored));
    }
    return resource.collection.properties().then((stored) => this.#values(resource, granted, plan, computed, stored));
  }

  #prepare(kind: Resource["kind"]): void {
    this.#plan = planFor(this.#request, kind, this.#context.services.registry);
    this.#kind = kind;
    const { computed } = this.#options;
    this.#computed = computed === undefined ? [] : this.#plan.steps.map(({ name }) => computed.get(name));
  }

  #values(
    resource: Resource,
    granted: ReadonlySet<Privilege>,
    plan: Plan,
    computed: readonly (Computed | undefined)[],
    stored: Stored,
  ): string | Promise<string> {
    if (plan.kind === "propname") return propnames(resource, plan, stored);
    const answers: Answer[] = [];
    let waiting = false;
    let at = 0;
    for (const { name, requested, live } of plan.steps) {
      const own = computed[at++];
      let answer: Answer;
      if (own !== undefined) answer = own(resource, requested);
      else if (live === undefined) answer = isHidden(name) ? undefined : stored.get(name);
      else if (live.needs !== undefined && !granted.has(live.needs)) answer = undefined;
      else answer = live.get(resource, this.#context, requested, live.readsStored ? stored.get(name) : undefined);
      if (answer instanceof Promise) waiting = true;
      answers.push(answer);
    }
    const { minimal } = this.#options;
    if (!waiting)
      return assemble(resource, plan, granted, stored, answers as readonly (XmlValue | undefined)[], minimal);
    return Promise.all(answers).then((values) => assemble(resource, plan, granted, stored, values, minimal));
  }
}

/** Stored properties that no live one stands for. */
function* dead(resource: Resource, plan: Plan, stored: Stored): Generator<Element> {
  for (const [name, element] of stored)
    if (!isHidden(name) && plan.registry.property(name, resource.kind) === undefined) yield element;
}

function propnames(resource: Resource, plan: Plan, stored: Stored): string {
  let names = "";
  for (const step of plan.steps) names += step.empty;
  for (const { name } of dead(resource, plan, stored)) names += tagOf(name).empty;
  return `<D:response><D:href>${escapeText(resource.href)}</D:href>${found}${names}${fine}</D:response>\n`;
}

const found = "<D:propstat><D:prop>";
const fine = `</D:prop>${statusMarkup(200)}</D:propstat>`;
const absent = `</D:prop>${statusMarkup(404)}</D:propstat>`;
const denied = `</D:prop>${statusMarkup(403)}</D:propstat>`;

function assemble(
  resource: Resource,
  plan: Plan,
  granted: ReadonlySet<Privilege>,
  stored: Stored,
  values: readonly (XmlValue | undefined)[],
  minimal: boolean,
): string {
  let there = "";
  let missing = "";
  let refused = "";
  let at = 0;
  for (const step of plan.steps) {
    const value = values[at++];
    if (value !== undefined) there += step.markup(value);
    else if (step.live?.needs !== undefined && !granted.has(step.live.needs)) refused += step.empty;
    else missing += step.empty;
  }
  if (plan.kind === "allprop") {
    for (const element of dead(resource, plan, stored)) there += serialize(element);
    missing = "";
    refused = "";
  }
  let text = `<D:response><D:href>${escapeText(resource.href)}</D:href>`;
  const unmentioned = minimal || missing === "";
  // RFC 8144 §2.1: a response without any other propstat keeps an empty one of status 200.
  if (there !== "" || (refused === "" && unmentioned)) text += found + there + fine;
  if (!unmentioned) text += found + missing + absent;
  if (refused !== "") text += found + refused + denied;
  return `${text}</D:response>\n`;
}
