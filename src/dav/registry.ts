import type { Directory } from "../directory/backend.ts";
import type { Sudoers } from "../directory/sudoers.ts";
import type { HttpRequest, HttpResponse } from "../http/message.ts";
import type { Href, PrincipalUid, Utc } from "../model/ids.ts";
import type { Principal, RecordType, Sudoer } from "../model/principal.ts";
import type { Privilege } from "../model/privilege.ts";
import { Refusal } from "../model/refusal.ts";
import type { Scheduling } from "../scheduling/implicit.ts";
import type { CalendarStore, CollectionRef } from "../store/contract.ts";
import type { Element, QName, XmlValue } from "../xml/element.ts";
import type { Kind, Resource, Shape } from "./resource.ts";

/** Canonical addresses (the `__uids__` form): what property values use, whatever form the client asked with. */
export interface Urls {
  principal(principal: Pick<Principal, "uid">): Href;
  proxyGroup(principal: Principal, access: "read" | "write"): Href;
  /** Every address of a principal, the canonical one first, then `/principals/<type>/<short name>/`. */
  aliases(principal: Principal | Sudoer): readonly Href[];
  home(owner: Principal): Href;
  collection(ref: CollectionRef): Href;
  member(ref: CollectionRef, name: string): Href;
  /** Reads an href (path or absolute URL of this server) back into a principal, any alias. */
  principalOf(href: string): Promise<Principal | undefined>;
}

/** The few settings the DAV floor needs, taken from the plist by `server.ts`. */
export interface DavSettings {
  readonly serverHostName: string;
  readonly httpPort: number;
  readonly sslPort: number;
  readonly maxResourceSize: number | undefined;
  readonly maxAttendeesPerInstance: number | undefined;
  readonly maxInstances: number;
  readonly maxCollectionsPerHome: number | undefined;
  readonly maxResourcesPerCollection: number | undefined;
  /** Bytes of an XML request body. */
  readonly maxXmlBody: number;
  readonly maxMultigetHrefs: number;
  readonly maxQueryResults: number;
  readonly anonymousReadRoot: boolean;
  readonly anonymousReadNav: boolean;
  readonly principalListings: boolean;
  readonly monolithicCalendars: boolean;
  readonly privateEvents: boolean;
  /** The time zone service is open at `/timezones`. */
  readonly timeZoneService: boolean;
  readonly dropbox: boolean;
  readonly attachments: AttachmentSettings;
  readonly proxyPrincipals: boolean;
  readonly responseCompression: boolean;
  /** FreeBusyURL/…; undefined: there are none. */
  readonly freeBusyUrl: FreeBusyUrlSettings | undefined;
  readonly scheduling: SchedulingSettings;
  readonly sharing: SharingSettings;
}

/** What is attached to events, in drop boxes and managed. undefined: no limit. */
export interface AttachmentSettings {
  /** Clients may have attachments managed (RFC 8607). */
  readonly managed: boolean;
  /** Bytes of one. */
  readonly maxSize: number | undefined;
  /** Bytes of all those of one event. */
  readonly maxTotal: number | undefined;
  /** Managed ones of one event. */
  readonly maxCount: number | undefined;
  /** Begins their addresses: `https://cal.example.com:8443`. */
  readonly base: string;
}

/** Sharing/… of the plist. */
export interface SharingSettings {
  /** Owners may invite others to their calendars. */
  readonly enabled: boolean;
  /** Owners may publish a calendar at an address that needs no password. */
  readonly publishing: boolean;
  /** Clients are told that calendars can be published. */
  readonly announcePublishing: boolean;
}

export interface FreeBusyUrlSettings {
  /** Days that are told when nothing else is asked for. */
  readonly days: number;
  /** Who has not signed in may read them. */
  readonly anonymous: boolean;
}

/** Scheduling/… of the plist. */
export interface SchedulingSettings {
  /** Whether a PUT delivers invitations: what the tokens in the DAV header promise (RFC 6638 §2). */
  readonly implicit: boolean;
  /** Explicit messages of old clients are answered as if they had been delivered. */
  readonly oldDraftCompatibility: boolean;
  readonly privateComments: boolean;
  /** If-Match may name an ETag that a scheduling object had before others answered. */
  readonly tagCompatibility: boolean;
  /** Who may be an organizer. */
  readonly organizers: readonly RecordType[];
  /** Attendees of one request for busy time that are answered. */
  readonly freeBusyAttendees: number;
  /** Members of an invited group that are invited; undefined: only the group itself is. */
  readonly groupMembers: number | undefined;
}

export interface Services {
  readonly store: CalendarStore;
  readonly directory: Directory;
  /** The administrators of the sudoers file, who are principals beside those of the directory. */
  readonly sudoers: Pick<Sudoers, "principals">;
  readonly urls: Urls;
  readonly settings: DavSettings;
  readonly registry: Registry;
  /** Carries out what changes of calendar objects mean to others. */
  readonly scheduling: Scheduling;
  /** AdminPrincipals and ReadPrincipals as they stand in the directory now. */
  readonly administrators: () => Promise<readonly PrincipalUid[]>;
  readonly readers: () => Promise<readonly PrincipalUid[]>;
  readonly now: () => Utc;
  /** One line in the error log. */
  readonly warn: (message: string, details?: Readonly<Record<string, unknown>>) => void;
}

/** Who asks, and what may be asked. `user` is undefined for a client that has not signed in. */
export interface Context {
  readonly user: Principal | undefined;
  readonly services: Services;
  /** What the user may do with a resource. Answers are remembered for the request. */
  privileges(resource: Resource): Promise<ReadonlySet<Privilege>>;
}

/** undefined: this resource does not have it (404 in the multistatus). */
export type Answer = XmlValue | undefined | Promise<XmlValue | undefined>;

export interface LiveProperty<K extends Kind> {
  readonly name: QName;
  readonly on: readonly K[];
  /** Part of allprop. Default true; RFC 4791 §5.2 and RFC 3744 §5 say false for most of their own. */
  readonly allprop?: boolean;
  /** Needed beside `read` to see it: 403 in the multistatus otherwise. */
  readonly needs?: Privilege;
  /** Whether `get` looks at `stored`. Default: when clients may set it. */
  readonly readsStored?: boolean;
  /** The property's value; an element of the property's own name stands for the property with its attributes. A dead property
   *  of the same name on the resource is passed as `stored`, for properties with a default that a client may set. */
  get(resource: Shape<K>, context: Context, requested: Element, stored: Element | undefined): Answer;
  /** Absent: protected. Present: checks the value a client sets (null: removes) and says what to store (null: nothing);
   *  undefined when the effect was made here and nothing is to be stored. Throws Refusal or HttpError. */
  accept?(
    value: Element | null,
    resource: Shape<K>,
    context: Context,
  ): Element | null | undefined | Promise<Element | null | undefined>;
  /** As `accept`, for a value given with MKCALENDAR or extended MKCOL, when there is no resource yet. Absent: `accept` is asked,
   *  which then must not look at its resource. */
  atCreation?(value: Element, context: Context): Element | Promise<Element>;
  /** Stored properties that end when this one is set: other forms of the same value. */
  readonly replaces?: readonly QName[];
}

export interface AnyProperty {
  readonly name: QName;
  readonly on: ReadonlySet<Kind>;
  readonly allprop: boolean;
  readonly readsStored: boolean;
  readonly needs?: Privilege;
  get(resource: Resource, context: Context, requested: Element, stored: Element | undefined): Answer;
  accept?(
    value: Element | null,
    resource: Resource,
    context: Context,
  ): Element | null | undefined | Promise<Element | null | undefined>;
  atCreation?(value: Element, context: Context): Element | Promise<Element>;
  readonly replaces?: readonly QName[];
}

/** Declares a live property; `on` narrows what `get` may touch. The one cast of the floor. */
export const property = <const K extends Kind>(declared: LiveProperty<K>): AnyProperty =>
  ({
    allprop: true,
    readsStored: declared.accept !== undefined,
    ...declared,
    on: new Set<Kind>(declared.on),
  }) as unknown as AnyProperty;

/** What MKCALENDAR or extended MKCOL stores for a value a client gives (RFC 4791 §5.3.1, RFC 5689 §3). Throws Refusal for what
 *  is not taken, and for a protected property. */
export function creationValue(declared: AnyProperty, value: Element, context: Context): Element | Promise<Element> {
  if (declared.atCreation !== undefined) return declared.atCreation(value, context);
  if (declared.accept === undefined)
    throw new Refusal({ code: "cannot-modify-protected-property", name: declared.name });
  // Who needs the resource has an `atCreation`; what is given is a value, so it cannot be one that removes.
  return declared.accept(value, undefined as never, context) as Element | Promise<Element>;
}

export interface Report<K extends Kind, Query> {
  readonly name: QName;
  readonly on: readonly K[];
  readonly needs: Privilege;
  /** Pure; throws Refusal(valid-filter …) or HttpError(400). */
  parse(root: Element, context: Context): Query;
  run(query: Query, resource: Shape<K>, context: Context, request: HttpRequest): Promise<HttpResponse>;
}

export interface AnyReport {
  readonly name: QName;
  readonly on: ReadonlySet<Kind>;
  readonly needs: Privilege;
  run(root: Element, resource: Resource, context: Context, request: HttpRequest): Promise<HttpResponse>;
}

export const report = <const K extends Kind, Query>(declared: Report<K, Query>): AnyReport => ({
  name: declared.name,
  needs: declared.needs,
  on: new Set<Kind>(declared.on),
  run: async (root, resource, context, request) =>
    declared.run(declared.parse(root, context), resource as Shape<K>, context, request),
});

/** A method. `needs` is checked in dispatch and nowhere else: the privilege on the resource, or with `parent ` on the
 *  collection it is (or would be) in. A function, when it depends on whether the resource exists. */
export interface Method {
  readonly name: string;
  readonly on: readonly Kind[];
  readonly needs: (resource: Resource) => readonly (Privilege | `parent ${Privilege}`)[];
  handle(resource: Resource, context: Context, request: HttpRequest): Promise<HttpResponse>;
}

/** The joined lists. Made once by `server.ts`. */
export interface Registry {
  readonly methods: ReadonlyMap<string, Method>;
  readonly reports: readonly AnyReport[];
  method(name: string): Method | undefined;
  report(name: QName, kind: Kind): AnyReport | undefined;
  reportsOn(kind: Kind): readonly AnyReport[];
  property(name: QName, kind: Kind): AnyProperty | undefined;
  /** Whether a property is the server's own on all kinds that have it: then nobody sets one of that name anywhere. */
  isProtected(name: QName): boolean;
  propertiesOn(kind: Kind): readonly AnyProperty[];
  methodsOn(kind: Kind): readonly Method[];
}

/** Joins the declared lists; names of methods are matched as they are (they are case-sensitive, RFC 9110 §9.1). */
export function makeRegistry(
  methods: readonly Method[],
  reports: readonly AnyReport[],
  properties: readonly AnyProperty[],
): Registry {
  const methodByName = new Map(methods.map((method) => [method.name, method]));
  const reportByName = new Map(reports.map((report) => [report.name, report]));
  // Several declarations of one property may serve different kinds, so the first key is the kind.
  const propertiesByKind = new Map<Kind, Map<QName, AnyProperty>>();
  const settable = new Set(properties.filter(({ accept }) => accept !== undefined).map(({ name }) => name));
  const computed = new Set(properties.map(({ name }) => name).filter((name) => !settable.has(name)));
  for (const declared of properties) {
    for (const kind of declared.on) {
      const named = propertiesByKind.get(kind) ?? new Map<QName, AnyProperty>();
      if (named.has(declared.name)) throw new Error(`property ${declared.name} is declared twice for ${kind}`);
      propertiesByKind.set(kind, named.set(declared.name, declared));
    }
  }
  const remembered = <T>(make: (kind: Kind) => readonly T[]): ((kind: Kind) => readonly T[]) => {
    const known = new Map<Kind, readonly T[]>();
    return (kind) => {
      const made = known.get(kind) ?? make(kind);
      known.set(kind, made);
      return made;
    };
  };
  return {
    methods: methodByName,
    reports,
    method: (name) => methodByName.get(name),
    report: (name, kind) => {
      const found = reportByName.get(name);
      return found?.on.has(kind) ? found : undefined;
    },
    reportsOn: remembered((kind) => reports.filter((report) => report.on.has(kind))),
    property: (name, kind) => propertiesByKind.get(kind)?.get(name),
    isProtected: (name) => computed.has(name),
    propertiesOn: remembered((kind) => [...(propertiesByKind.get(kind)?.values() ?? [])]),
    methodsOn: remembered((kind) => methods.filter((method) => method.on.includes(kind))),
  };
}
