import { type Ace, principal, type Who } from "../../acl/ace.ts";
import { type AclConflict, maxAces, replaceAcl } from "../../acl/change.ts";
import { aclIsFixed } from "../../acl/defaults.ts";
import { evaluate } from "../../acl/evaluate.ts";
import { supportedPrivileges } from "../../acl/privileges.ts";
import { HttpError, type HttpRequest } from "../../http/message.ts";
import { Refusal } from "../../model/refusal.ts";
import { childrenNamed, type Element, el, type QName, textOf } from "../../xml/element.ts";
import { inheritedAces, ownAces } from "../acl.ts";
import { aceName, aclName, partsOf, privilegeNamed, storedAce, uidAt, whoNamed } from "../acl-xml.ts";
import { resourceGuard } from "../locks/guard.ts";
import { treeOf } from "../properties/access.ts";
import type { Context, Method } from "../registry.ts";
import { resolveHref } from "../resolve.ts";
import type { Shape } from "../resource.ts";
import { checkEntry, checkPreconditions } from "./preconditions.ts";
import { xmlBody } from "./xml-body.ts";

const kinds = ["calendar", "inbox", "outbox", "dropbox", "folder", "object", "file"] as const;
type Target = Shape<(typeof kinds)[number]>;

/** ACL (RFC 3744 §8.1), on calendars and everything else inside a home: the given ACEs take the place of all that were set before.
 *  A home's own ACL is computed (darwin/3 §8.5), so it is not offered there. What is stored is what the original stored, the
 *  protected ACEs included, all or nothing like every change of properties. */
export const aclMethod: Method = {
  name: "ACL",
  on: kinds,
  needs: () => ["write-acl"],
  async handle(resource, context, request) {
    const target = resource as Target;
    if (aclIsFixed(target.owner))
      throw new HttpError(403, `who may do what with ${target.href} is told by the group's directory record alone`);
    await checkPreconditions(target, context, request);
    const requested = await requestedAces(target, context, request);
    const aces = await replaced(target, requested, context);
    // An empty list on what has no ACEs by itself is no ACL at all.
    const bare = aces.length === 0 && target.kind !== "inbox" && target.kind !== "outbox";
    const acl = bare ? null : el(aclName, ...aces.map(storedAce));
    const allowed = resourceGuard(target, context, request);
    await target.collection.change(async (change) => {
      // RFC 3744 §7.5: a lock keeps the ACL too.
      await allowed();
      const name = "entry" in target ? target.entry.name : undefined;
      const entry = name === undefined ? undefined : change.entry(name);
      if (name !== undefined) {
        if (entry === undefined) throw new HttpError(404, `${target.href} was removed meanwhile`);
        checkEntry(request, entry);
      }
      await change.setProperties(name, new Map([[aclName, acl]]));
    });
    return { status: 200, headers: { "content-length": "0" } };
  },
};

/** The ACEs of the request's body. Throws HttpError(400) for what is no ACL, Refusal for what cannot be set. */
async function requestedAces(target: Target, context: Context, request: HttpRequest): Promise<readonly Ace[]> {
  const root = await xmlBody(request, context);
  if (root?.name !== aclName)
    throw new HttpError(400, `the body of an ACL must be a DAV:acl, found ${root?.name ?? "nothing"}`);
  const written = childrenNamed(root, aceName);
  if (written.length > maxAces) throw refusal("limited-number-of-aces", `an ACL has at most ${maxAces} ACEs`);
  const aces: Ace[] = [];
  for (const [at, element] of written.entries()) aces.push(await requestedAce(element, at + 1, target, context));
  return aces;
}

async function requestedAce(element: Element, number: number, target: Target, context: Context): Promise<Ace> {
  const parts = partsOf(element);
  if (parts === undefined || parts.privileges.length === 0)
    throw new HttpError(400, `ACE ${number}: names one DAV:principal, and what is granted or what is denied`);
  if (parts.protected || parts.inherited !== undefined)
    throw refusal("no-ace-conflict", `ACE ${number}: protected and inherited ACEs are the server's own`);
  const named = parts.privileges.map(({ name }) => {
    const privilege = privilegeNamed(name);
    if (privilege === undefined) throw refusal("not-supported-privilege", `ACE ${number}: ${name} is not known here`);
    return privilege;
  });
  const who = await whoIn(parts.principal, number, target, context);
  return {
    who,
    invert: parts.invert,
    grant: parts.grant,
    privileges: named,
    inherited: undefined,
    protected: false,
    inheritable: false,
  };
}

async function whoIn(written: Element, number: number, target: Target, context: Context): Promise<Who> {
  if (written.name === "{DAV:}href") {
    const address = textOf(written).trim();
    const found = await principalAt(address, context);
    return found === undefined ? { kind: "unknown", href: address } : principal(found);
  }
  const who = whoNamed(written);
  if (who === undefined)
    throw new HttpError(
      400,
      `ACE ${number}: a principal is an href, all, authenticated, unauthenticated or a property`,
    );
  if (who.kind === "property" && isLive(who.property, target, context))
    throw refusal("allowed-principal", `ACE ${number}: ${who.property} never names a principal`);
  return who;
}

const isLive = (name: QName, { kind }: Target, { services: { registry } }: Context): boolean =>
  registry.property(name, kind) !== undefined;

/** The uid of a principal or a proxy group that exists, by the URL that RFC 3744 §4.2 says MUST be used in an ACL request: the one
 *  of its DAV:principal-URL. */
async function principalAt(address: string, context: Context) {
  const found = await resolveHref(address, context);
  if (found?.kind !== "principal" && found?.kind !== "proxy-group") return undefined;
  const uid = await uidAt(address, context.services.directory);
  return uid !== undefined && isCanonical(address) ? uid : undefined;
}

const isCanonical = (address: string): boolean => /^(?:https?:\/\/[^/]+)?\/+principals\/+__uids__\//i.test(address);

/** The resource's own ACEs after the request. Throws Refusal. */
async function replaced(target: Target, requested: readonly Ace[], context: Context): Promise<readonly Ace[]> {
  const { services } = context;
  const inherited = await inheritedAces(target, services);
  const current = [...(await ownAces(target, services)), ...inherited];
  const supported = supportedPrivileges(treeOf(target));
  const outcome = replaceAcl(current, requested, target.owner.uid, supported, !("entry" in target));
  if ("conflict" in outcome) {
    const at = outcome.about === undefined ? 0 : requested.indexOf(outcome.about) + 1;
    throw refusal(outcome.conflict, `ACE ${at}: ${sentences[outcome.conflict]}`);
  }
  const identities = await services.directory.identities(target.owner);
  const owners = evaluate([...outcome.aces, ...inherited], { identities, owner: true, self: false });
  if (!owners.has("write-acl"))
    throw refusal("no-protected-ace-conflict", "this would take from the owner the right to change the ACL again");
  return outcome.aces;
}

const sentences: Readonly<Record<AclConflict, string>> = {
  "no-ace-conflict": "protected and inherited ACEs are the server's own",
  "no-protected-ace-conflict": "the principal's rights are fixed by a protected ACE",
  "not-supported-privilege": "a privilege that this resource does not have; see DAV:supported-privilege-set",
  "limited-number-of-aces": `an ACL has at most ${maxAces} ACEs`,
  "recognized-principal": "the href is not the DAV:principal-URL of a principal",
  "allowed-principal": "DAV:self means somebody on principals only",
};

const refusal = (code: AclConflict, problem: string): Refusal => new Refusal({ code, problem });
