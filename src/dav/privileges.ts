import { type Ace, parseProxyUid, proxyUid } from "../acl/ace.ts";
import { type Asker, evaluate } from "../acl/evaluate.ts";
import { everyBit, heldWith } from "../acl/privileges.ts";
import type { Href, PrincipalUid } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import type { Privilege } from "../model/privilege.ts";
import { Refusal } from "../model/refusal.ts";
import { type SharedCollection, shareOf } from "../sharing/shared-collection.ts";
import type { Collection } from "../store/contract.ts";
import { childrenNamed, dav, type QName, textOf } from "../xml/element.ts";
import { effectiveAcl, inheritedAces, isUntouched } from "./acl.ts";
import { uidAt } from "./acl-xml.ts";
import { boxAccess, isBox, isManagedPlace } from "./attachments/boxes.ts";
import type { Holding } from "./attachments/events.ts";
import { idIn, mayReadManaged } from "./attachments/managed.ts";
import { collectionResource } from "./children.ts";
import { seesEverything } from "./privacy.ts";
import type { Context, Services } from "./registry.ts";
import { surroundings } from "./resolve.ts";
import { isOwned, type Resource, type Shape } from "./resource.ts";
import { intersection, ownDenials, sharedBounds, sharedRights } from "./sharing/rights.ts";

type Granted = ReadonlySet<Privilege>;

const everything: Promise<Granted> = Promise.resolve(heldWith(everyBit));
const nothing: Granted = new Set();

/** What a user may do with resources (RFC 3744 §6), remembered for one request. An owner without any stored ACL costs no
 *  evaluation; members without rights of their own share their collection's. */
export function makePrivileges(user: Principal | undefined, services: Services): Context["privileges"] {
  const rights = new Rights(user, services);
  return (resource) => rights.of(resource);
}

/** Throws Refusal(need-privileges) unless the user holds all of them. */
export async function demand(context: Context, resource: Resource, needs: readonly Privilege[]): Promise<void> {
  const granted = await context.privileges(resource);
  for (const need of needs) {
    if (granted.has(need)) continue;
    const missing = needs.filter((privilege) => !granted.has(privilege));
    throw new Refusal({ code: "need-privileges", href: resource.href, privileges: missing });
  }
}

/** Whether the user may read the resource or, where there is none, what is around its path: only then may they learn whether
 *  there is one. */
export async function mayLook(
  resource: Resource,
  path: readonly string[],
  rawPath: string,
  context: Context,
): Promise<boolean> {
  const around =
    resource.kind === "unmapped" ? (resource.parent ?? (await surroundings(path, rawPath, context))) : resource;
  return around !== undefined && (await context.privileges(around)).has("read");
}

class Rights {
  readonly #user: Principal | undefined;
  readonly #services: Services;
  /** By the collection's path in the store. */
  readonly #collections = new Map<string, Promise<Granted>>();
  /** What holds on members without rights of their own, by the collection's path. */
  readonly #members = new Map<string, Promise<Granted>>();
  readonly #others = new Map<string, Promise<Granted>>();

  constructor(user: Principal | undefined, services: Services) {
    this.#user = user;
    this.#services = services;
  }

  of(resource: Resource): Promise<Granted> {
    if (resource.kind === "unmapped")
      return resource.parent === undefined ? Promise.resolve(nothing) : this.of(resource.parent);
    if (!isOwned(resource)) return remembered(this.#others, resource.href, () => this.#evaluate(resource));
    const shared = shareOf(resource.collection);
    if (shared !== undefined)
      return remembered(this.#others, `${shared.invitation.uid} ${resource.href}`, () =>
        this.#ofShared(resource, shared),
      );
    if (isManagedPlace(resource.collection.ref))
      return remembered(this.#others, resource.href, () => this.#ofManaged(resource));
    if (!("entry" in resource)) return this.#ofCollection(resource.collection, resource);
    const { entry } = resource;
    if (!entry.hasAcl && entry.access === undefined) return this.#inside(resource);
    return remembered(this.#others, resource.href, () => this.#ofMember(resource));
  }

  #ofCollection(collection: Collection, resource: Shape<Collection["kind"]>): Promise<Granted> {
    return remembered(this.#collections, keyOf(collection), async () =>
      (await this.#ownsAll(collection, resource))
        ? everything
        : this.#withBox(collection, await this.#evaluate(resource)),
    );
  }

  /** ACEs that are not inheritable hold on the collection alone; all that this server sets are. */
  #inside(resource: Member): Promise<Granted> {
    const { collection } = resource;
    return remembered(this.#members, keyOf(collection), async () => {
      if (await this.#ownsAll(collection, undefined)) return everything;
      const aces = await inheritedAces(resource, this.#services);
      return this.#withBox(collection, evaluate(aces, await this.#asker(resource, aces)));
    });
  }

  async #ownsAll(collection: Collection, known: Shape<Collection["kind"]> | undefined): Promise<boolean> {
    const { ref } = collection;
    if (ref.owner.uid !== this.#user?.uid) return false;
    const { urls } = this.#services;
    return isUntouched(
      known ?? (await collectionResource(urls.collection(ref), ref.owner, collection)),
      this.#services,
    );
  }

  /** In the box of an event: also what the asker may do in the event's calendar, if it is shared with him. */
  async #withBox(box: Collection, granted: Granted): Promise<Granted> {
    const user = this.#user;
    if (!isBox(box.ref) || user === undefined || user.uid === box.ref.owner.uid) return granted;
    const access = await boxAccess(box, user, this.#services);
    return access === undefined ? granted : new Set([...granted, ...sharedBounds(access)]);
  }

  /** What the server manages is read by who may read an event that has it, and changed by nobody but through events (RFC 8607 §3.8):
   *  its folder has no rights of its own. */
  async #ofManaged({ collection, ...resource }: Extract<Resource, { collection: Collection }>): Promise<Granted> {
    const id = "entry" in resource ? idIn(resource.entry.name) : undefined;
    if (id === undefined || !("entry" in resource)) return nothing;
    const managed = { id, collection, entry: resource.entry };
    const reads = (event: Holding, href: Href): Promise<boolean> => this.#readsWhole(event, href);
    const may = await mayReadManaged(managed, this.#user, this.#services, reads);
    return may ? sharedBounds("read") : nothing;
  }

  /** Whether the user sees all of an event where it lies. */
  async #readsWhole({ calendar, entry }: Holding, href: Href): Promise<boolean> {
    const { owner } = calendar.ref;
    if (!(await this.of({ kind: "object", href, owner, collection: calendar, entry })).has("read")) return false;
    if (entry.access === undefined || !this.#services.settings.privateEvents) return true;
    return seesEverything(owner, { user: this.#user, services: this.#services });
  }

  async #ofMember(resource: Member): Promise<Granted> {
    const { entry } = resource;
    const granted = await (entry.hasAcl ? this.#evaluate(resource) : this.#inside(resource));
    if (entry.access === undefined || !this.#services.settings.privateEvents) return granted;
    const whole = await seesEverything(resource.owner, { user: this.#user, services: this.#services });
    return whole ? granted : limited(granted, entry.access);
  }

  /** In a shared calendar: what the asker may do with the sharee's link, as far as the invitation goes. */
  async #ofShared(resource: Extract<Resource, { collection: Collection }>, shared: SharedCollection): Promise<Granted> {
    const { link } = shared;
    const { ref } = link;
    const place = await collectionResource(this.#services.urls.collection(ref), ref.owner, link);
    const held = await this.#ofCollection(link, place);
    const isMember = "entry" in resource;
    const granted = sharedRights(held, shared.invitation.access, isMember);
    const hasAcl = isMember ? resource.entry.hasAcl : resource.info.hasAcl;
    // What the owner denies by an ACL of its own stays denied.
    const own = hasAcl ? await ownDenials(resource, this.#services) : undefined;
    const left = own === undefined ? granted : intersection(granted, evaluate(own, await this.#asker(resource, own)));
    if (!isMember || resource.entry.access === undefined || !this.#services.settings.privateEvents) return left;
    const whole = await seesEverything(resource.owner, { user: this.#user, services: this.#services });
    return whole ? left : limited(left, resource.entry.access);
  }

  async #evaluate(resource: Resource): Promise<Granted> {
    const aces = await effectiveAcl(resource, this.#services);
    return evaluate(aces, await this.#asker(resource, aces));
  }

  async #asker(resource: Resource, aces: readonly Ace[]): Promise<Asker> {
    const user = this.#user;
    if (user === undefined) return stranger;
    const { directory } = this.#services;
    const identities = await directory.identities(user);
    const owner = isOwned(resource) && resource.owner.uid === user.uid;
    const self =
      (resource.kind === "principal" || resource.kind === "proxy-group") && identities.has(resource.principal.uid);
    const properties = aces.some(isAboutProperty) ? await this.#properties(resource, aces, identities) : undefined;
    const owners = proxyOwners(aces, user.uid);
    const proxies = owners.length === 0 ? owners : await this.#proxies(user, owners);
    const held = proxies.length === 0 ? identities : new Set([...identities, ...proxies]);
    return { identities: held, owner, self, ...(properties === undefined ? {} : { properties }) };
  }

  /** The stored properties named in the ACEs that name the user: one href, that of the user or of a group that holds it (RFC 3744
   *  §5.5.1). */
  async #properties(
    resource: Resource,
    aces: readonly Ace[],
    identities: ReadonlySet<PrincipalUid>,
  ): Promise<ReadonlySet<QName> | undefined> {
    if (!("collection" in resource)) return undefined;
    const stored = await resource.collection.properties("entry" in resource ? resource.entry.name : undefined);
    const held = new Set<QName>();
    for (const { who } of aces) {
      const value = who.kind === "property" ? stored.get(who.property) : undefined;
      const [named, ...others] = value === undefined ? [] : childrenNamed(value, dav("href"));
      if (value === undefined || named === undefined || others.length > 0) continue;
      const uid = await uidAt(textOf(named).trim(), this.#services.directory);
      if (uid !== undefined && identities.has(uid)) held.add(value.name);
    }
    return held;
  }

  /** The proxy groups of these principals that the user is in. */
  async #proxies(user: Principal, owners: readonly PrincipalUid[]): Promise<readonly PrincipalUid[]> {
    const { directory } = this.#services;
    const held: PrincipalUid[] = [];
    for (const uid of owners) {
      const owner = await directory.byUid(uid);
      const access = owner === undefined ? "none" : await directory.delegateAccess(user, owner);
      if (access !== "none") held.push(proxyUid(uid, access));
    }
    return held;
  }
}

// Most ACLs name neither, and each question to be waited for costs as much as all the rest.
const isAboutProperty = ({ who }: Ace): boolean => who.kind === "property";
const proxyOwners = (aces: readonly Ace[], but: PrincipalUid): readonly PrincipalUid[] => {
  const owners: PrincipalUid[] = [];
  for (const { who } of aces) {
    const owner = who.kind === "href" ? parseProxyUid(who.uid)?.owner : undefined;
    if (owner !== undefined && owner !== but && !owners.includes(owner)) owners.push(owner);
  }
  return owners;
};

type Member = Shape<"object" | "file">;

const keyOf = ({ ref: { owner, path } }: Collection): string => `${owner.uid}/${path.join("/")}`;

const stranger: Asker = { identities: new Set(), owner: false, self: false };

function remembered(known: Map<string, Promise<Granted>>, key: string, make: () => Promise<Granted>): Promise<Granted> {
  const before = known.get(key);
  if (before !== undefined) return before;
  const made = make();
  known.set(key, made);
  return made;
}

const hidden: ReadonlySet<Privilege> = new Set<Privilege>(["read-free-busy", "read-current-user-privilege-set"]);
const readable: ReadonlySet<Privilege> = new Set<Privilege>([...hidden, "read", "read-acl"]);

/** A PRIVATE object of somebody else is not there; a CONFIDENTIAL or RESTRICTED one can be read, filtered, and not written,
 *  whatever the ACL says (caldav-privateevents §4.2). */
function limited(granted: Granted, access: string): Granted {
  const left = access === "PRIVATE" ? hidden : readable;
  return new Set([...granted].filter((privilege) => left.has(privilege)));
}
