import type { RecordType } from "../../model/principal.ts";

/** What a record is made of. Each is looked for in a list of attributes: the first that has a value counts, where one value is
 *  wanted; otherwise the values of all. */
export const recordParts = [
  /** The GUID. A record without one is given the original's: a hash of its type and name. */
  "guid",
  /** Names for signing in and in addresses; the one in the entry's DN comes first. */
  "shortNames",
  /** More names that a user may sign in with. `Kerberos:user@REALM` (altSecurityIdentities) is one. */
  "signInNames",
  "fullName",
  "firstName",
  "lastName",
  "mail",
  /** Calendar user addresses with their scheme; `smtp:` is mail too. */
  "addresses",
  /** Of a group: members by DN, by short name (users), by GUID. */
  "memberDns",
  "memberNames",
  "memberGuids",
  /** Boolean: whether the record may have calendars. */
  "calendaring",
  /** accept-always, automatic, …, or a boolean. */
  "autoSchedule",
  /** Delegates of a room or resource, by DN or GUID. */
  "writeDelegates",
  "readDelegates",
  /** Open Directory's property list of a room or resource: both of the above and whether it accepts by itself. */
  "resourceInfo",
  /** Open Directory: `<computer GUID>:<virtual host GUID>:calendar` of the servers that serve the record. */
  "servicesLocator",
  /** Any value but FALSE, 0 or none: the user must not sign in. Of authAuthority `;DisabledUser;` means that. */
  "disabled",
  /** Active Directory's flags. */
  "accountControl",
  /** The host name of the server that has the record's calendars. */
  "server",
  /** A clear-text password that this server may read: what Digest needs. */
  "password",
  /** Exchange's kind of mailbox: 7 is a room, 8 equipment. */
  "mailboxKind",
] as const;
export type RecordPart = (typeof recordParts)[number];

export interface RecordTypeMap {
  /** Below the base; several levels as in a DN. */
  readonly below: string;
  readonly filter: string;
  readonly attributes: Readonly<Record<RecordPart, readonly string[]>>;
}

export type SchemaMap = Readonly<Record<RecordType, RecordTypeMap>>;
export type SchemaName = "ldap" | "opendirectory" | "activedirectory";

type Attributes = Partial<Record<RecordPart, readonly string[]>>;
interface Preset {
  readonly common: Attributes;
  readonly types: Readonly<Record<RecordType, { readonly below: string; readonly filter: string } & Attributes>>;
}

/** The attributes of data/schema/caldavd.schema: what the standard schemas lack. */
const own: Attributes = {
  addresses: ["calendarUserAddress"],
  calendaring: ["calendarEnabled"],
  autoSchedule: ["calendarAutoSchedule"],
  writeDelegates: ["calendarDelegate"],
  readDelegates: ["calendarReadOnlyDelegate"],
  server: ["calendarServerName"],
};

const presets: Readonly<Record<SchemaName, Preset>> = {
  // RFC 2307, RFC 2798, and the operational attributes of OpenLDAP, 389 Directory Server and FreeIPA.
  ldap: {
    common: {
      ...own,
      guid: ["entryUUID", "nsUniqueId", "ipaUniqueID"],
      fullName: ["displayName", "cn"],
      mail: ["mail", "mailAlternateAddress", "mailAlias"],
      disabled: ["pwdAccountLockedTime", "nsAccountLock"],
    },
    types: {
      users: {
        below: "",
        filter: "(|(objectClass=inetOrgPerson)(objectClass=posixAccount))",
        shortNames: ["uid"],
        firstName: ["givenName"],
        lastName: ["sn"],
      },
      groups: {
        below: "",
        filter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
        shortNames: ["cn"],
        fullName: ["displayName", "description", "cn"],
        memberDns: ["member", "uniqueMember"],
        memberNames: ["memberUid"],
      },
      locations: { below: "", filter: "(objectClass=calendarLocation)", shortNames: ["cn"] },
      resources: { below: "", filter: "(objectClass=calendarResource)", shortNames: ["cn"] },
    },
  },
  // The server of Mac OS X Server 10.5 and 10.6, asked by LDAP.
  opendirectory: {
    common: {
      guid: ["apple-generateduid"],
      fullName: ["apple-realname", "cn"],
      mail: ["mail"],
      servicesLocator: ["apple-serviceslocator"],
      signInNames: ["altSecurityIdentities"],
      resourceInfo: ["apple-resource-info"],
      disabled: ["authAuthority"],
    },
    types: {
      users: {
        below: "cn=users",
        filter: "(objectClass=inetOrgPerson)",
        shortNames: ["uid"],
        fullName: ["cn"],
        firstName: ["givenName"],
        lastName: ["sn"],
      },
      groups: {
        below: "cn=groups",
        filter: "(objectClass=apple-group)",
        shortNames: ["cn"],
        fullName: ["apple-group-realname", "cn"],
        // The GUIDs say the same as the names, and more: they go first.
        memberGuids: ["apple-group-memberguid", "apple-group-nestedgroup"],
        memberNames: ["memberUid"],
      },
      locations: { below: "cn=places", filter: "(apple-generateduid=*)", shortNames: ["cn"] },
      resources: { below: "cn=resources", filter: "(apple-generateduid=*)", shortNames: ["cn"] },
    },
  },
  activedirectory: {
    common: {
      guid: ["objectGUID"],
      shortNames: ["sAMAccountName"],
      fullName: ["displayName", "cn"],
      firstName: ["givenName"],
      lastName: ["sn"],
      mail: ["mail"],
      addresses: ["proxyAddresses"],
      accountControl: ["userAccountControl"],
      mailboxKind: ["msExchRecipientDisplayType"],
    },
    types: {
      users: {
        below: "",
        filter: "(&(objectCategory=person)(objectClass=user))",
        signInNames: ["userPrincipalName", "altSecurityIdentities"],
      },
      groups: { below: "", filter: "(objectClass=group)", memberDns: ["member"] },
      locations: {
        below: "",
        filter: "(&(objectClass=user)(msExchRecipientDisplayType=7))",
        writeDelegates: ["publicDelegates"],
      },
      resources: {
        below: "",
        filter: "(&(objectClass=user)(msExchRecipientDisplayType=8))",
        writeDelegates: ["publicDelegates"],
      },
    },
  },
};

export interface MapOverrides {
  /** By record type: another place below the base (or a whole DN), another filter. Empty texts are as if not given; "none" as
   *  a filter means that there are no such records. */
  readonly below: Readonly<Record<string, string>>;
  readonly filters: Readonly<Record<string, string>>;
  /** By part, or by `<type>.<part>`; an empty list takes the part away. */
  readonly attributes: Readonly<Record<string, readonly string[]>>;
}

const attributeName = /^(?:[a-z][a-z0-9-]*|\d+(?:\.\d+)+)(?:;[a-z0-9-]+)*$/i;

/** The map of a preset with the configuration's changes. Throws Error with a sentence for names that are none. */
export function schemaMap(name: SchemaName, overrides: MapOverrides): SchemaMap {
  const { common, types } = presets[name];
  const knownTypes = Object.keys(types);
  for (const [key, attributes] of Object.entries(overrides.attributes)) {
    const [type, part] = key.includes(".") ? key.split(".") : [undefined, key];
    if (!recordParts.some((known) => known === part) || (type !== undefined && !knownTypes.includes(type)))
      throw new Error(`attributes.${key}: must be one of ${recordParts.join(", ")}, perhaps with a type in front`);
    const wrong = attributes.find((attribute) => !attributeName.test(attribute));
    if (wrong !== undefined) throw new Error(`attributes.${key}: ${JSON.stringify(wrong)} is no attribute name`);
  }
  for (const key of [...Object.keys(overrides.below), ...Object.keys(overrides.filters)])
    if (!knownTypes.includes(key)) throw new Error(`${key}: must be one of ${knownTypes.join(", ")}`);
  const mapOf = (type: RecordType): RecordTypeMap => {
    const { below, filter, ...special } = types[type];
    const attributes = Object.fromEntries(
      recordParts.map((part) => [
        part,
        overrides.attributes[`${type}.${part}`] ?? overrides.attributes[part] ?? special[part] ?? common[part] ?? [],
      ]),
    ) as Record<RecordPart, readonly string[]>;
    return {
      below: overrides.below[type] || below,
      filter: overrides.filters[type] || filter,
      attributes,
    };
  };
  return {
    users: mapOf("users"),
    groups: mapOf("groups"),
    locations: mapOf("locations"),
    resources: mapOf("resources"),
  };
}

/** The DN of a place below a base; a place that ends in the base is a whole DN already. */
export function placeOf(below: string, base: string): string {
  const plain = (dn: string): string => dn.toLowerCase().replace(/\s*,\s*/g, ",");
  if (below === "" || plain(below) === plain(base)) return base;
  return base === "" || plain(below).endsWith(`,${plain(base)}`) ? below : `${below},${base}`;
}
