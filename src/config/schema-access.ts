import { choice, flag, path, type Section, text, texts, unbounded, whole } from "./key.ts";

/** The original's Python classes, as they stand in old property lists. */
const pythonClasses = {
  "twistedcaldav.directory.xmlfile.xmldirectoryservice": "xml",
  "twistedcaldav.directory.appleopendirectory.opendirectoryservice": "opendirectory",
  "twistedcaldav.directory.apache.basicdirectoryservice": "apache-basic",
  "twistedcaldav.directory.apache.digestdirectoryservice": "apache-digest",
  "twistedcaldav.directory.sqldb.sqldirectoryservice": "sql",
} as const;

/** Which parameters mean something to which type of directory. Others are warned of. */
export const parametersOf = {
  xml: ["xmlFile"],
  opendirectory: ["node", "requireComputerRecord", "restrictEnabledRecords", "restrictToGroup", "cacheTimeout"],
  "apache-basic": ["realmName", "userFile", "groupFile"],
  "apache-digest": ["realmName", "userFile", "groupFile"],
  sql: ["dbParentPath", "xmlFile"],
} as const;

/** Users, groups, locations and resources, and who of them may do more. */
export const directory = {
  DirectoryService: {
    type: choice(
      ["xml", "opendirectory", "apache-basic", "apache-digest", "sql"],
      "xml",
      "Where users, groups, locations and resources come from; the original's class names are understood.",
      { aliases: pythonClasses },
    ),
    params: {
      xmlFile: path("/etc/caldavd/accounts.xml", "xml: the accounts file. It is read again when it changes.", {
        shipped: "../data/accounts.xml",
      }),
      node: text("/Search", "opendirectory: the node to ask.", { effect: "later" }),
      requireComputerRecord: flag(true, "opendirectory: look for this server's computer record.", { effect: "later" }),
      restrictEnabledRecords: flag(false, "opendirectory: only members of restrictToGroup have calendars.", {
        effect: "later",
      }),
      restrictToGroup: text("", "opendirectory: the GUID or name of that group.", { effect: "later" }),
      cacheTimeout: whole(30, [0, unbounded], "opendirectory: minutes to remember records.", { effect: "later" }),
      realmName: text("", "apache-basic, apache-digest: the realm.", { effect: "later" }),
      userFile: path("", "apache-basic, apache-digest: the file of users.", { effect: "later" }),
      groupFile: path("", "apache-basic, apache-digest: the file of groups.", { effect: "later" }),
      dbParentPath: path("", "sql: the folder of the database.", { effect: "later" }),
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

/** How clients sign in. */
export const authentication = {
  Authentication: {
    Basic: {
      Enabled: flag(false, "Basic: the password itself is sent with each request.", { shipped: true }),
      AllowWithoutTLS: flag(
        false,
        "Take Basic also from other hosts on connections without TLS, where everybody on the way can read the passwords.",
      ),
    },
    Digest: {
      Enabled: flag(true, "Digest: a proof of the password is sent (RFC 7616)."),
      Algorithm: choice(
        ["md5", "md5-sess", "sha-256", "sha-256-sess"],
        "md5",
        "The hash: every client knows md5; sha-256 is stronger.",
        { aliases: { sha: "sha-256" } },
      ),
      Qop: choice(
        ["auth", ""],
        "auth",
        "auth: replayed requests are recognised (RFC 7616); empty: the older form for clients from before RFC 2617.",
      ),
    },
    Kerberos: {
      Enabled: flag(false, "Kerberos: a ticket of the realm is sent (SPNEGO, RFC 4559)."),
      ServicePrincipal: text(
        "",
        "The service principal, such as HTTP/calendar.example.com@EXAMPLE.COM; empty means HTTP/ServerHostName.",
      ),
      Keytab: path("", "The file with the service's key; empty means the system's, usually /etc/krb5.keytab."),
    },
    Wiki: {
      Enabled: flag(false, "The wiki of Mac OS X Server.", { effect: "ignored" }),
      Cookie: text("sessionID", "The wiki's cookie.", { effect: "ignored" }),
      URL: text("http://127.0.0.1:8086/RPC2", "The wiki's address.", { effect: "ignored" }),
      UserMethod: text("userForSession", "The wiki's method that tells the user.", { effect: "ignored" }),
      WikiMethod: text("accessLevelForUserWikiCalendar", "The wiki's method that tells what a user may do.", {
        effect: "ignored",
      }),
    },
  },
} satisfies Section;
