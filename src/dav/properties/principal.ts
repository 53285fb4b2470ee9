import { HttpError } from "../../http/message.ts";
import type { Href } from "../../model/ids.ts";
import { calendarUserType, type Principal } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import { caldav, childrenNamed, cs, dav, type Element, el, href, textOf } from "../../xml/element.ts";
import { serverElsewhere } from "../elsewhere.ts";
import { type Context, property } from "../registry.ts";
import { principalKinds, type Shape } from "../resource.ts";

const hrefs = (all: readonly Href[]): readonly Element[] => all.map(href);
const principals = (all: readonly Principal[], { services: { urls } }: Context): readonly Element[] =>
  all.map((principal) => href(urls.principal(principal)));

export const displayName = property({
  name: dav("displayname"),
  on: principalKinds,
  get: (resource) =>
    resource.kind === "principal"
      ? resource.principal.fullName || resource.principal.shortName
      : `calendar-proxy-${resource.access}`,
});

/** RFC 3744 §4.1: no other documents about a principal exist here, its aliases are not meant. */
export const alternateUriSet = property({
  name: dav("alternate-URI-set"),
  on: principalKinds,
  allprop: false,
  get: () => [],
});

/** RFC 3744 §4.2 */
export const principalUrl = property({
  name: dav("principal-URL"),
  on: principalKinds,
  allprop: false,
  get: (resource, { services: { urls } }) =>
    href(
      resource.kind === "principal"
        ? urls.principal(resource.principal)
        : urls.proxyGroup(resource.principal, resource.access),
    ),
});

/** RFC 3744 §4.3, the direct members. Groups are the directory's, hence protected. */
export const groupMemberSet = property({
  name: dav("group-member-set"),
  on: ["principal"],
  allprop: false,
  get: async ({ principal }, context) =>
    principal.type === "groups" ? principals(await context.services.directory.members(principal), context) : [],
});

/** The delegates of a calendar user (caldav-proxy §5.1), set with PROPPATCH as the complete new list. Each is named by its
 *  canonical URL, as the original has it: an alias, an absolute URL, a proxy group or nobody is a 400 for the property. */
export const delegateSet = property({
  name: dav("group-member-set"),
  on: ["proxy-group"],
  allprop: false,
  get: async ({ principal, access }, context) =>
    principals(await context.services.directory.delegates(principal, access), context),
  accept: async (value, { principal, access }, { services: { directory, urls } }) => {
    if (value === null) throw new Refusal({ code: "cannot-modify-protected-property", name: "group-member-set" });
    const members: Principal[] = [];
    for (const member of childrenNamed(value, dav("href"))) {
      const named = textOf(member).trim();
      const found = await urls.principalOf(named);
      if (found === undefined || !isCanonical(named))
        throw new HttpError(400, `${named.slice(0, 200)} is not a principal of this server by its canonical URL`);
      if (!members.some(({ uid }) => uid === found.uid)) members.push(found);
    }
    await directory.setDelegates(principal, access, members);
    return undefined;
  },
});

// How the uid in it is percent-encoded is left to the client.
const isCanonical = (address: string): boolean => /^\/principals\/__uids__\/[^/]+\/$/.test(address);

async function proxyGroups(
  principal: Pick<Principal, "uid">,
  { services: { directory, urls } }: Context,
): Promise<Href[]> {
  const [read, write] = await Promise.all([
    directory.delegatedBy(principal, "read"),
    directory.delegatedBy(principal, "write"),
  ]);
  return [
    ...read.map((owner) => urls.proxyGroup(owner, "read")),
    ...write.map((owner) => urls.proxyGroup(owner, "write")),
  ];
}

/** RFC 3744 §4.4: the groups that name the principal, and the proxy groups of those whose delegate it is. */
export const groupMembership = property({
  name: dav("group-membership"),
  on: principalKinds,
  allprop: false,
  get: async (resource, context) => {
    if (resource.kind === "proxy-group") return [];
    const { directory } = context.services;
    return [
      ...principals(await directory.memberships(resource.principal), context),
      ...hrefs(await proxyGroups(resource.principal, context)),
    ];
  },
});

/** calendarserver.org: members of members too. */
export const expandedGroupMemberSet = property({
  name: cs("expanded-group-member-set"),
  on: principalKinds,
  allprop: false,
  get: async (resource, context) => {
    const { directory } = context.services;
    if (resource.kind === "principal") {
      if (resource.principal.type !== "groups") return [];
      return principals(await directory.expandedMembers(resource.principal), context);
    }
    const all = new Map<string, Principal>();
    for (const delegate of await directory.delegates(resource.principal, resource.access)) {
      all.set(delegate.uid, delegate);
      if (delegate.type !== "groups") continue;
      for (const member of await directory.expandedMembers(delegate)) all.set(member.uid, member);
    }
    return principals([...all.values()], context);
  },
});

export const expandedGroupMembership = property({
  name: cs("expanded-group-membership"),
  on: principalKinds,
  allprop: false,
  get: async (resource, context) => {
    if (resource.kind === "proxy-group") return [];
    const groups = await context.services.directory.expandedMemberships(resource.principal);
    return [...principals(groups, context), ...hrefs(await proxyGroups(resource.principal, context))];
  },
});

/** Groups with calendars count as well: their members may write there, and no other property tells a client of them. */
const delegators =
  (access: "read" | "write") =>
  async ({ principal }: Shape<"principal">, context: Context) => {
    const { directory } = context.services;
    const owners = new Map<string, Principal>();
    for (const owner of await directory.delegatedBy(principal, access)) owners.set(owner.uid, owner);
    if (access === "write")
      for (const group of await directory.expandedMemberships(principal))
        if (group.calendaring) owners.set(group.uid, group);
    return principals([...owners.values()], context);
  };

/** Whose calendars the principal may read. Apple's delegation tab and DAVx5 expand these two. */
export const proxyReadFor = property({
  name: cs("calendar-proxy-read-for"),
  on: ["principal"],
  allprop: false,
  get: delegators("read"),
});
export const proxyWriteFor = property({
  name: cs("calendar-proxy-write-for"),
  on: ["principal"],
  allprop: false,
  get: delegators("write"),
});

/** RFC 4791 §6.2.1. Always exactly one: Apple, python-caldav and vdirsyncer look at the first only. */
export const calendarHomeSet = property({
  name: caldav("calendar-home-set"),
  on: ["principal"],
  allprop: false,
  get: (resource, context) => inHome()(resource, context),
});

/** Of calendars on another server, the address there. */
const inHome =
  (...path: readonly string[]) =>
  ({ principal }: Shape<"principal">, { services: { urls, settings } }: Context) => {
    if (principal.type === "sudoers") return undefined;
    const server = principal.calendaring ? "" : serverElsewhere(principal, settings);
    return server === undefined ? undefined : href((server + urls.collection({ owner: principal, path })) as Href);
  };

/** RFC 6638 §2.2.1 */
export const scheduleInboxUrl = property({
  name: caldav("schedule-inbox-URL"),
  on: ["principal"],
  allprop: false,
  get: inHome("inbox"),
});
/** RFC 6638 §2.1.1 */
export const scheduleOutboxUrl = property({
  name: caldav("schedule-outbox-URL"),
  on: ["principal"],
  allprop: false,
  get: inHome("outbox"),
});
/** Where macOS keeps attachments (caldav-dropbox). */
export const dropboxHomeUrl = property({
  name: cs("dropbox-home-URL"),
  on: ["principal"],
  allprop: false,
  get: (resource, context) => (context.services.settings.dropbox ? inHome("dropbox")(resource, context) : undefined),
});

/** RFC 6638 §2.4.1. The primary mail address comes first: Thunderbird and Apple take the first mailto. The principal's own
 *  URLs, as paths and absolute, are there for clients of 2007 that invite by them. */
export const calendarUserAddressSet = property({
  name: caldav("calendar-user-address-set"),
  on: ["principal"],
  allprop: false,
  get: ({ principal }, { services: { urls, settings } }) => {
    const paths = urls.aliases(principal);
    const bases = [
      ...(settings.httpPort > 0 ? [`http://${settings.serverHostName}:${settings.httpPort}`] : []),
      ...(settings.sslPort > 0 ? [`https://${settings.serverHostName}:${settings.sslPort}`] : []),
    ];
    return [...principal.addresses, ...paths, ...bases.flatMap((base) => paths.map((path) => base + path))].map(href);
  },
});

/** RFC 6638 §2.4.2 */
export const calendarUserKind = property({
  name: caldav("calendar-user-type"),
  on: ["principal"],
  allprop: false,
  get: ({ principal }) => calendarUserType(principal.type),
});

export const firstName = property({
  name: cs("first-name"),
  on: ["principal"],
  allprop: false,
  get: ({ principal }) => principal.firstName,
});
export const lastName = property({
  name: cs("last-name"),
  on: ["principal"],
  allprop: false,
  get: ({ principal }) => principal.lastName,
});
export const emailAddressSet = property({
  name: cs("email-address-set"),
  on: ["principal"],
  allprop: false,
  get: ({ principal }) => principal.emailAddresses.map((address) => el(cs("email-address"), address)),
});
/** The directory's type; of a proxy group the original's own word. */
export const recordType = property({
  name: cs("record-type"),
  on: principalKinds,
  allprop: false,
  get: (resource) => (resource.kind === "principal" ? resource.principal.type : `${resource.access}-delegate-group`),
});
/** Whether the principal answers invitations by itself. */
export const autoSchedule = property({
  name: cs("auto-schedule"),
  on: ["principal"],
  allprop: false,
  get: ({ principal }) => `${principal.autoSchedule !== "none"}`,
});
