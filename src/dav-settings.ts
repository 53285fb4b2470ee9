import type { Config } from "./config/schema.ts";
import type { DavSettings } from "./dav/registry.ts";

const oneMegabyte = 1_048_576;

/** Limits are written as 0 where there is to be none. */
export const noneIfZero = (limit: number): number | undefined => (limit === 0 ? undefined : limit);

/** What the DAV floor has to know of the configuration. */
export const davSettings = (config: Config): DavSettings => ({
  serverHostName: config.ServerHostName,
  httpPort: config.HTTPPort,
  sslPort: config.SSLPort,
  maxResourceSize: noneIfZero(config.MaximumAttachmentSize),
  maxAttendeesPerInstance: noneIfZero(config.MaxAttendeesPerInstance),
  maxInstances: config.MaxInstancesForRRULE,
  maxCollectionsPerHome: noneIfZero(config.MaxCollectionsPerHome),
  maxResourcesPerCollection: noneIfZero(config.MaxResourcesPerCollection),
  // What the parser may hold the loop for at most: some 20 ms.
  maxXmlBody: oneMegabyte,
  maxMultigetHrefs: 5_000,
  maxQueryResults: 100_000,
  anonymousReadRoot: config.EnableAnonymousReadRoot,
  anonymousReadNav: config.EnableAnonymousReadNav,
  principalListings: config.EnablePrincipalListings,
  monolithicCalendars: config.EnableMonolithicCalendars,
  privateEvents: config.EnablePrivateEvents,
  timeZoneService: config.EnableTimezoneService,
  dropbox: config.EnableDropBox,
  attachments: {
    managed: config.EnableManagedAttachments,
    maxSize: noneIfZero(config.MaximumAttachmentSize),
    maxTotal: noneIfZero(config.MaximumAttachmentsTotalSize) ?? noneIfZero(config.MaximumAttachmentSize),
    maxCount: noneIfZero(config.MaxAttachmentsPerResource),
    base: baseOf(config),
  },
  proxyPrincipals: config.EnableProxyPrincipals,
  responseCompression: config.ResponseCompression,
  freeBusyUrl: config.FreeBusyURL.Enabled
    ? { days: config.FreeBusyURL.TimePeriod, anonymous: config.FreeBusyURL.AnonymousAccess }
    : undefined,
  scheduling: schedulingSettings(config.Scheduling),
  sharing: {
    enabled: config.Sharing.Enabled && config.Sharing.Calendars.Enabled,
    publishing: config.Sharing.Publishing.Enabled,
    announcePublishing: config.Sharing.Publishing.Announced,
  },
});

/** How this server is reached from outside. */
const baseOf = ({ ServerHostName: name, HTTPPort, SSLPort }: Config): string => {
  const host = name.includes(":") ? `[${name}]` : name;
  const [scheme, port, usual] = SSLPort === 0 ? ["http", HTTPPort, 80] : ["https", SSLPort, 443];
  return `${scheme}://${host}${port === usual ? "" : `:${port}`}`;
};

const schedulingSettings = ({ CalDAV, Options }: Config["Scheduling"]): DavSettings["scheduling"] => ({
  implicit: true,
  oldDraftCompatibility: CalDAV.OldDraftCompatibility,
  tagCompatibility: CalDAV.ScheduleTagCompatibility,
  privateComments: CalDAV.EnablePrivateComments,
  organizers: [
    "users",
    ...(Options.AllowGroupAsOrganizer ? (["groups"] as const) : []),
    ...(Options.AllowLocationAsOrganizer ? (["locations"] as const) : []),
    ...(Options.AllowResourceAsOrganizer ? (["resources"] as const) : []),
  ],
  groupMembers: Options.GroupAttendees.Enabled ? Options.GroupAttendees.MaxMembers : undefined,
  freeBusyAttendees: noneIfZero(Options.LimitFreeBusyAttendees) ?? Number.POSITIVE_INFINITY,
});
