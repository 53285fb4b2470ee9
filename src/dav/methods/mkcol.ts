import { bodyOf } from "../../http/body.ts";
import { contentTypeOf } from "../../http/headers.ts";
import { HttpError, type HttpRequest, type HttpResponse } from "../../http/message.ts";
import { Refusal } from "../../model/refusal.ts";
import { caldav, dav, type Element, elements, type QName } from "../../xml/element.ts";
import { rootNamespaces, xmlDeclaration } from "../../xml/write.ts";
import { adopted, dropboxFolder, isBox } from "../attachments/boxes.ts";
import { inTree, lockGuard } from "../locks/guard.ts";
import { multistatus, type PropstatGroup, propstatResponse, propstats, xmlType } from "../multistatus.ts";
import { type Context, creationValue, type Method } from "../registry.ts";
import { resourceKinds, type Shape } from "../resource.ts";
import { isHidden } from "../stored.ts";
import { arrival, checkName } from "./members.ts";
import { checkPreconditions } from "./preconditions.ts";
import { failureOf, type Instruction, instructionsOf, withDependents } from "./property-edits.ts";
import { refuseCollections } from "./quota.ts";
import { parseXmlBody } from "./xml-body.ts";

type NewKind = "calendar" | "folder";
type Parent = Shape<"home" | "folder" | "dropbox">;

/** MKCALENDAR (RFC 4791 §5.3.1). Where a property is refused nothing is made, and a multistatus says which and why. */
export const mkcalendarMethod: Method = {
  name: "MKCALENDAR",
  on: [...resourceKinds, "unmapped"],
  needs: () => ["parent bind"],
  async handle(resource, context, request) {
    if (resource.kind !== "unmapped")
      throw new Refusal({ code: "resource-must-be-null", problem: `${resource.href} exists already` });
    const parent = parentOf(resource);
    if (parent !== undefined) refuseInBox(parent);
    // What a drop box holds is attachments, whatever is said of it.
    if (parent === undefined || parent.kind === "dropbox")
      throw new Refusal({
        code: "calendar-collection-location-ok",
        problem: "a calendar can be made in a calendar home, or in a plain collection below one",
      });
    checkName(resource.name);
    await checkPreconditions(resource, context, request);
    const root = await bodyNamed(caldav("mkcalendar"), request, context);
    const instructions = root === undefined ? [] : instructionsOf(root);
    const plan = await planned("calendar", instructions, context);
    if (plan.failed.length > 0)
      return multistatus([propstatResponse(`${slashless(resource.href)}/`, plan.failed)], { headers: noCache });
    await make(parent, resource, plan, context, request);
    return made;
  },
};

/** MKCOL (RFC 4918 §9.3) and extended MKCOL (RFC 5689), which makes calendars too. */
export const mkcolMethod: Method = {
  name: "MKCOL",
  on: [...resourceKinds, "unmapped"],
  needs: () => ["parent bind"],
  async handle(resource, context, request) {
    if (resource.kind === "folder" && (await adoptBox(resource, request))) return made;
    if (resource.kind !== "unmapped") throw new HttpError(405, `${resource.href} exists already`);
    const parent = parentOf(resource);
    if (parent === undefined) throw new HttpError(403, `${resource.parent?.href} takes no collections`);
    refuseInBox(parent);
    checkName(resource.name);
    await checkPreconditions(resource, context, request);
    const root = await bodyNamed(dav("mkcol"), request, context);
    const instructions = root === undefined ? [] : instructionsOf(root);
    const plan = await plannedByType(parent, instructions, context);
    if (plan.failed.length > 0) {
      const body = `${xmlDeclaration}<D:mkcol-response${rootNamespaces}>${propstats(plan.failed)}</D:mkcol-response>\n`;
      return { status: plan.failed[0]?.status ?? 403, headers: { ...noCache, "Content-Type": xmlType }, body };
    }
    try {
      await make(parent, resource, plan, context, request);
    } catch (error) {
      // Somebody else was faster.
      if (error instanceof Refusal && error.reason.code === "resource-must-be-null")
        throw new HttpError(405, `${resource.href} exists already`);
      throw error;
    }
    return made;
  },
};

// RFC 4791 §5.3.1: an answer about what was just made must not be kept.
const noCache = { "Cache-Control": "no-cache" };
const made: HttpResponse = { status: 201, headers: noCache };
const slashless = (href: string): string => href.replace(/\/+$/, "");

/** Where the collection is to be made; undefined when the place takes none. Throws HttpError(409) when there is no such place. */
function parentOf({ parent, href }: Shape<"unmapped">): Parent | undefined {
  if (parent === undefined) throw new HttpError(409, `the collection that would hold ${href} does not exist`);
  const takes = parent.kind === "home" || parent.kind === "folder" || parent.kind === "dropbox";
  return takes ? parent : undefined;
}

/** Throws HttpError(405) inside a box: it holds attachments, no collections (as the original). */
function refuseInBox({ collection: { ref }, href }: Parent): void {
  if (ref.path[0] === dropboxFolder && ref.path.length > 1)
    throw new HttpError(405, `${href} holds attachments; no collection is made in it`);
}

/** Whether a client makes the box that was made for it when it stored the event. */
async function adoptBox({ collection }: Shape<"folder">, request: HttpRequest): Promise<boolean> {
  const length = request.headers["content-length"] ?? "0";
  return isBox(collection.ref) && Number(length) === 0 && adopted(collection);
}

/** The body's root; undefined without body. Throws HttpError(415) for a body that is not the XML expected. */
async function bodyNamed(name: QName, request: HttpRequest, context: Context): Promise<Element | undefined> {
  const bytes = await bodyOf(request, context.services.settings.maxXmlBody);
  if (bytes.length === 0) return undefined;
  const type = contentTypeOf(request.headers)?.type;
  if (type !== undefined && type !== "text/xml" && type !== "application/xml")
    throw new HttpError(415, `a ${request.method} body is XML with the root ${name}, found ${type}`);
  const root = parseXmlBody(bytes);
  if (root.name !== name) throw new HttpError(415, `a ${request.method} body has the root ${name}, found ${root.name}`);
  return root;
}

/** What is to be made, or why not. */
interface Plan {
  readonly kind: NewKind;
  readonly properties: ReadonlyMap<QName, Element>;
  readonly failed: readonly PropstatGroup[];
}

const resourceType = dav("resourcetype");

async function planned(kind: NewKind, instructions: readonly Instruction[], context: Context): Promise<Plan> {
  const { registry } = context.services;
  const properties = new Map<QName, Element>();
  const failures: PropstatGroup[] = [];
  for (const { name, value } of instructions) {
    if (name === resourceType || value === null) continue;
    const declared = registry.property(name, kind);
    try {
      if (isHidden(name)) throw new Refusal({ code: "cannot-modify-protected-property", name });
      properties.set(name, declared === undefined ? value : await creationValue(declared, value, context));
      for (const other of declared?.replaces ?? []) properties.delete(other);
    } catch (error) {
      failures.push(failureOf(name, error));
    }
  }
  return { kind, properties, failed: failures.length === 0 ? [] : withDependents(failures, instructions) };
}

/** As `planned`, of the kind that DAV:resourcetype asks for: a plain collection when it is not given. */
async function plannedByType(parent: Parent, instructions: readonly Instruction[], context: Context): Promise<Plan> {
  const type = instructions.findLast(({ name }) => name === resourceType)?.value;
  if (type === undefined || type === null) return planned("folder", instructions, context);
  const types = new Set(elements(type).map(({ name }) => name));
  const problem = !types.delete(dav("collection"))
    ? "a resourcetype must hold DAV:collection"
    : types.delete(caldav("calendar")) && parent.kind === "dropbox"
      ? "a calendar cannot be made here"
      : types.size > 0
        ? `collections of the type ${[...types].join(", ")} cannot be made`
        : undefined;
  if (problem === undefined) {
    const asked = elements(type).some(({ name }) => name === caldav("calendar")) ? "calendar" : "folder";
    return planned(asked, instructions, context);
  }
  const failure = failureOf(resourceType, new Refusal({ code: "valid-resourcetype", problem }));
  return { kind: "folder", properties: new Map(), failed: withDependents([failure], instructions) };
}

async function make(
  parent: Parent,
  { name }: Shape<"unmapped">,
  plan: Plan,
  context: Context,
  request: HttpRequest,
): Promise<void> {
  const { store } = context.services;
  const { owner } = parent;
  const ref = { owner, path: [...parent.collection.ref.path, name] };
  if (ref.path[0] !== dropboxFolder) await refuseCollections(owner, 1, context);
  const guard = lockGuard(request, owner, context);
  await inTree(guard, owner, arrival(ref), context, () => store.create(ref, plan.kind, plan.properties));
}
