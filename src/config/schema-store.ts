import { flag, isDictionary, path, patterns, type Section, table, text, unbounded, whole } from "./key.ts";
import { iSchedule } from "./schema-ischedule.ts";
import { mail } from "./schema-mail.ts";

const limit = [0, unbounded] as const;
const port = [0, 65_535] as const;

/** The data store and its limits. */
export const store = {
  DocumentRoot: path(
    "/Library/CalendarServer/Documents",
    "The folder of the data store: calendars, attachments, delegate lists. A local mount point.",
    { shipped: "../data/store/Documents" },
  ),
  DataRoot: path("/Library/CalendarServer/Data", "The folder for the server's own work files.", {
    shipped: "../data/store/Data",
  }),
  UserQuota: whole(104_857_600, limit, "Bytes in one calendar home; 0 means no limit."),
  MaximumAttachmentSize: whole(1_048_576, limit, "Bytes in one calendar object or attachment; 0 means no limit."),
  MaximumAttachmentsTotalSize: whole(
    0,
    limit,
    "Bytes in all attachments of one event; 0 means as many as MaximumAttachmentSize allows for one.",
  ),
  MaxAttachmentsPerResource: whole(100, limit, "Managed attachments of one event; 0 means no limit."),
  MaxAttendeesPerInstance: whole(100, limit, "Attendees of one event; 0 means no limit."),
  MaxInstancesForRRULE: whole(400, limit, "Instances of one recurring event; 0 means no limit."),
  MaxCollectionsPerHome: whole(50, limit, "Calendars in one calendar home; 0 means no limit."),
  MaxResourcesPerCollection: whole(10_000, limit, "Objects in one calendar; 0 means no limit."),
  RestrictCalendarsToOneComponentType: flag(
    true,
    "The calendar of a new home takes events only, beside one for tasks; otherwise everything, with which Apple's clients do not work.",
  ),
} satisfies Section;

/** What clients may do and see. */
export const features = {
  EnableProxyPrincipals: flag(true, "Delegates: calendar-proxy-read and calendar-proxy-write below each principal."),
  EnableAnonymousReadRoot: flag(true, 'The resource "/" may be read without signing in.'),
  EnableAnonymousReadNav: flag(false, "/calendars/ and the folders of types in it may be read without signing in."),
  EnablePrincipalListings: flag(
    true,
    "The folders of principals may be listed; otherwise only single principals are found.",
  ),
  EnableMonolithicCalendars: flag(true, "GET on a calendar gives all of it as one .ics file."),
  EnableDropBox: flag(false, "Attachments in the drop box of each calendar home.", { shipped: true }),
  EnableManagedAttachments: flag(false, "Attachments that the server manages for its clients (RFC 8607).", {
    shipped: true,
  }),
  EnablePrivateEvents: flag(false, "Private events (X-CALENDARSERVER-ACCESS).", { shipped: true }),
  EnableTimezoneService: flag(false, "The time zone service at /timezones, for everybody."),
  EnableSACLs: flag(
    false,
    "Only members of the group com.apple.access_all_services or, where there is none, com.apple.access_calendar may use the service.",
  ),
  EnableWebAdmin: flag(true, "The administration pages at /admin.", { effect: "later" }),
  RejectClients: patterns([], "Requests whose User-Agent one of these regular expressions finds are refused with 403."),
  FreeBusyURL: {
    Enabled: flag(false, "A freebusy resource in each calendar home."),
    TimePeriod: whole(14, [1, 366], "Days it covers when a request does not say."),
    AnonymousAccess: flag(false, "Anyone may read it without signing in: what any user may know of the owner."),
  },
  Aliases: table(
    "folders by name, each {path: …}",
    (value) => (isDictionary(value) && typeof value["path"] === "string" ? { path: value["path"] } : undefined),
    {},
    "More folders of files, served at /<name>/.",
    { effect: "later" },
  ),
  WebCalendarRoot: path("/usr/share/collaboration", "The web calendar of Mac OS X Server.", { effect: "ignored" }),
  EnableNotifications: flag(false, "The drop box notifications of version 1.", { effect: "ignored" }),
} satisfies Section;

/** Invitations. */
export const scheduling = {
  Scheduling: {
    CalDAV: {
      EmailDomain: text(
        "",
        "Mail addresses in this domain belong to users of this server; only a domain map leads them elsewhere.",
      ),
      HTTPDomain: text("", "HTTP addresses in this domain belong to users of this server.", { effect: "later" }),
      AddressPatterns: patterns(
        [],
        "Regular expressions of addresses that belong to users of this server: no mail goes to others of that form.",
      ),
      OldDraftCompatibility: flag(true, "Answer explicit scheduling requests of old clients as if they had been done."),
      ScheduleTagCompatibility: flag(
        true,
        "If-Match may name the state before others answered: for clients that do not know schedule tags.",
      ),
      EnablePrivateComments: flag(
        true,
        "Keep comments of attendees that only the organizer sees when old clients leave them out.",
      ),
    },
    iSchedule,
    iMIP: mail,
    Options: {
      AllowGroupAsOrganizer: flag(false, "A group may invite."),
      AllowLocationAsOrganizer: flag(false, "A location may invite."),
      AllowResourceAsOrganizer: flag(false, "A resource may invite."),
      GroupAttendees: {
        Enabled: flag(true, "Who invites a group invites its members; they follow when the group changes."),
        MaxMembers: whole(100, [1, 10_000], "Members that a group may have and be invited."),
      },
      LimitFreeBusyAttendees: whole(
        30,
        limit,
        "Attendees of one request for busy time that are answered; 0 means no limit.",
      ),
    },
  },
  Localization: {
    TranslationsDirectory: path("/usr/share/caldavd/share/translations", "The original's translations of the mails.", {
      effect: "ignored",
    }),
    LocalesDirectory: path("/usr/share/caldavd/share/locales", "The original's compiled translations.", {
      effect: "ignored",
    }),
    Language: text(
      "English",
      "The language of mails to people whose own is not known: English, German, French, Spanish, Japanese, or a tag as de.",
    ),
  },
} satisfies Section;

/** Pushing changes to clients. */
export const notifications = {
  Notifications: {
    Enabled: flag(false, "Tell clients about changes; on as soon as one of the services is.", { effect: "later" }),
    CoalesceSeconds: whole(3, [0, 3600], "Seconds in which changes of one calendar are told once.", {
      effect: "later",
    }),
    InternalNotificationHost: text("localhost", "The host of the original's notification process.", {
      effect: "ignored",
    }),
    InternalNotificationPort: whole(62_309, port, "Its port.", { effect: "ignored" }),
    BindAddress: text("127.0.0.1", "Its address.", { effect: "ignored" }),
    Services: {
      SimpleLineNotifier: {
        Service: text("twistedcaldav.notify.SimpleLineNotifierService", "The original's class.", { effect: "ignored" }),
        Enabled: flag(false, "Tell changes line by line on a port.", { effect: "later" }),
        Port: whole(62_308, port, "That port.", { effect: "later" }),
      },
      XMPPNotifier: {
        Service: text("twistedcaldav.notify.XMPPNotifierService", "The original's class.", { effect: "ignored" }),
        Enabled: flag(false, "Tell changes over XMPP.", { effect: "later" }),
        Host: text("", "The XMPP server.", { effect: "later" }),
        Port: whole(5222, port, "Its port.", { effect: "later" }),
        JID: text("", "The account there.", { effect: "later" }),
        Password: text("", "Its password.", { effect: "later", secret: true }),
        ServiceAddress: text("", "The publish-subscribe service.", { effect: "later" }),
        NodeConfiguration: table(
          "texts",
          (value) => (typeof value === "string" ? value : undefined),
          { "pubsub#deliver_payloads": "1", "pubsub#persist_items": "1" },
          "Settings of its nodes.",
          { effect: "later" },
        ),
        KeepAliveSeconds: whole(120, [0, unbounded], "Seconds between signs of life.", { effect: "later" }),
        HeartbeatMinutes: whole(30, [0, unbounded], "Minutes between heartbeats.", { effect: "later" }),
        AllowedJIDs: patterns([], "Accounts that may send commands.", { effect: "later" }),
      },
    },
  },
} satisfies Section;
