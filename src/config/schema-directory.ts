import { choice, flag, oneOrMore, path, paths, type Section, table, text, texts, whole } from "./key.ts";

/** The original's Python classes, as they stand in old property lists. */
const pythonClasses = {
  "twistedcaldav.directory.xmlfile.xmldirectoryservice": "xml",
  "twistedcaldav.directory.appleopendirectory.opendirectoryservice": "opendirectory",
  "twistedcaldav.directory.apache.basicdirectoryservice": "apache-basic",
  "twistedcaldav.directory.apache.digestdirectoryservice": "apache-digest",
  "twistedcaldav.directory.sqldb.sqldirectoryservice": "sql",
  "twistedcaldav.directory.ldapdirectory.ldapdirectoryservice": "ldap",
} as const;

const pythonClassesOfFiles = {
  "twistedcaldav.directory.xmlfile.xmldirectoryservice": "xml",
  "twistedcaldav.directory.augment.augmentxmldb": "xml",
} as const;

const ldapParameters = [
  "servers",
  "startTLS",
  "tlsCACertFile",
  "tlsRequireCert",
  "bindDN",
  "bindPassword",
  "bindPasswordFile",
  "base",
  "places",
  "filters",
  "attributes",
  "timeout",
  "connections",
  "cacheTimeout",
  "negativeCacheTimeout",
  "staleTimeout",
  "cacheSize",
  "realmName",
  "restrictEnabledRecords",
  "restrictToGroup",
  "localUserAttribute",
] as const;

/** Which parameters mean something to which type of directory. Others are warned of. */
export const parametersOf = {
  xml: ["xmlFile"],
  ldap: ldapParameters,
  opendirectory: [...ldapParameters, "requireComputerRecord"],
  activedirectory: ldapParameters,
  "apache-basic": ["realmName", "userFile", "groupFile"],
  "apache-digest": ["realmName", "userFile", "groupFile"],
  sql: ["dbParentPath", "xmlFile"],
} as const;

const asText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** Users, groups, locations and resources, and who of them may do more. */
export const directory = {
  DirectoryService: {
    type: choice(
      ["xml", "ldap", "opendirectory", "activedirectory", "apache-basic", "apache-digest", "sql"],
      "xml",
      "Where users, groups, locations and resources come from; the original's class names are understood.",
      { aliases: pythonClasses },
    ),
    params: {
      xmlFile: path("/etc/caldavd/accounts.xml", "xml: the accounts file. It is read again when it changes.", {
        shipped: "../data/accounts.xml",
      }),
      servers: texts(
        [],
        "ldap, opendirectory, activedirectory (the following too): the servers, such as ldap://ldap.example.com or ldaps://ldap.example.com:636; the first that answers is asked.",
      ),
      startTLS: flag(false, "Encrypt ldap:// connections before anything is said."),
      tlsCACertFile: path("", "The authorities whose certificates are believed, PEM; empty means those Node.js knows."),
      tlsRequireCert: flag(true, "Refuse servers whose certificate is not theirs or not believed."),
      bindDN: text("", "Who searches; empty searches anonymously."),
      bindPassword: text("", "The password for that.", { secret: true }),
      bindPasswordFile: path("", "A file whose first line is that password; goes before bindPassword."),
      base: text("", "Where all records are, such as dc=example,dc=com."),
      places: table(
        "DNs by record type (users, groups, locations, resources)",
        asText,
        {},
        "Where records of a type are: whole DNs, or parts below the base such as ou=people.",
      ),
      filters: table(
        "LDAP filters by record type",
        asText,
        {},
        "What records of a type have in common, such as (objectClass=inetOrgPerson); none means that there are none of that type.",
      ),
      attributes: table(
        "attribute names or lists of them",
        oneOrMore,
        {},
        "The attributes that parts of a record are in, where they are not the usual ones; docs/directories.md names the parts.",
      ),
      timeout: whole(5, [1, 300], "Seconds to wait for a server to connect, and for each answer."),
      connections: whole(
        4,
        [1, 64],
        "The most connections of each worker for searching, for listing and for checking passwords.",
      ),
      cacheTimeout: whole(
        30,
        [0, 10_080],
        "Minutes to believe a record before it is read again; 0 asks every time. Changes in the directory are seen by then, at the latest after twice that.",
      ),
      negativeCacheTimeout: whole(30, [0, 86_400], "Seconds to believe that a record does not exist."),
      staleTimeout: whole(
        1440,
        [0, 525_600],
        "Minutes that records read before, and passwords found right before, go on counting while no server answers.",
      ),
      cacheSize: whole(20_000, [100, 10_000_000], "Records that each worker keeps in memory."),
      restrictEnabledRecords: flag(false, "Only members of restrictToGroup have calendars."),
      restrictToGroup: text("", "The GUID or name of that group; members of groups in it count."),
      localUserAttribute: text(
        "",
        "An attribute whose presence says that a user's calendars are on this server, and whose value names the store; empty means that all are (davcore.scheduling.localuserattr).",
      ),
      requireComputerRecord: flag(
        false,
        "opendirectory: only records whose ServicesLocator names this server's computer record have calendars.",
      ),
      node: text("/Search", "opendirectory: the node of the original.", { effect: "ignored" }),
      realmName: text("", "The realm that users are shown when they sign in; for LDAP, empty means the base's domain."),
      userFile: path("", "apache-basic, apache-digest: the file of users, as htpasswd and htdigest make it."),
      groupFile: path("", "apache-basic, apache-digest: the file of groups, a line group: user user for each."),
      dbParentPath: path("", "sql: the folder of the database.", { effect: "later" }),
    },
  },
  ResourceService: {
    Enabled: flag(false, "Locations and resources come from a file of their own, beside the directory."),
    type: choice(["xml"], "xml", "The form of that file; the original's class names are understood.", {
      aliases: pythonClassesOfFiles,
    }),
    params: {
      xmlFile: path(
        "/etc/caldavd/resources.xml",
        "That file, written as an accounts file. It is read again when it changes.",
      ),
    },
  },
  AugmentService: {
    type: choice(["xml"], "xml", "The form of augment files; the original's class names are understood.", {
      aliases: pythonClassesOfFiles,
    }),
    params: {
      xmlFiles: paths(
        [],
        "Files that add to records what the directory has no place for: whether they have calendars, how they answer invitations, their server. They are read again when they change.",
      ),
    },
  },
  AdminPrincipals: texts(
    [],
    "Principals that may do everything everywhere: addresses such as /principals/users/admin/ or /principals/__uids__/GUID/, or GUIDs.",
    { shipped: ["/principals/users/admin/"] },
  ),
  ReadPrincipals: texts([], "Principals that may read everything everywhere, written in the same way."),
  SudoersFile: path(
    "/etc/caldavd/sudoers.plist",
    "Users that may act as any other user (X-Authorize-As); without the file there are none.",
    { shipped: "" },
  ),
} satisfies Section;
