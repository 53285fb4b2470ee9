import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { authenticator } from "./auth/authenticate.ts";
import { basic } from "./auth/basic.ts";
import { digest } from "./auth/digest.ts";
import { type AuthScheme, accountsOf } from "./auth/scheme.ts";
import type { Logger } from "./base/log.ts";
import type { Config } from "./config/schema.ts";
import { dispatch } from "./dav/dispatch.ts";
import { errorResponse } from "./dav/error-body.ts";
import { aclMethod } from "./dav/methods/acl.ts";
import { copyMethod, moveMethod } from "./dav/methods/copy-move.ts";
import { deleteMethod } from "./dav/methods/delete.ts";
import { getMethod, headMethod } from "./dav/methods/get.ts";
import { lockMethod } from "./dav/methods/lock.ts";
import { mkcalendarMethod, mkcolMethod } from "./dav/methods/mkcol.ts";
import { postMethod } from "./dav/methods/post.ts";
import { propfindMethod } from "./dav/methods/propfind.ts";
import { proppatchMethod } from "./dav/methods/proppatch.ts";
import { putMethod } from "./dav/methods/put.ts";
import { reportMethod } from "./dav/methods/report.ts";
import { unlockMethod } from "./dav/methods/unlock.ts";
import { makePrivileges } from "./dav/privileges.ts";
import { properties } from "./dav/properties/all.ts";
import { type Context, type DavSettings, makeRegistry, type Services } from "./dav/registry.ts";
import { calendarMultiget } from "./dav/reports/calendar-multiget.ts";
import { calendarQuery } from "./dav/reports/calendar-query.ts";
import { expandProperty } from "./dav/reports/expand-property.ts";
import { freeBusyQuery } from "./dav/reports/free-busy-query.ts";
import { aclPrincipalPropSet, principalMatch } from "./dav/reports/principal-match.ts";
import {
  calendarserverPrincipalSearch,
  principalPropertySearch,
  principalSearchPropertySet,
} from "./dav/reports/principals.ts";
import { syncCollection } from "./dav/reports/sync-collection.ts";
import { makeUrls } from "./dav/urls.ts";
import { principalList } from "./directory/access.ts";
import type { DirectoryBackend } from "./directory/backend.ts";
import { openDelegates } from "./directory/delegates.ts";
import { createDirectory } from "./directory/directory.ts";
import { openSudoers } from "./directory/sudoers.ts";
import { openXmlAccounts } from "./directory/xml-accounts.ts";
import type { Door } from "./doors/door.ts";
import { timeZonesDoor } from "./doors/timezones.ts";
import { compressed } from "./http/compress.ts";
import { type Handler, HttpError, type HttpRequest, type HttpResponse } from "./http/message.ts";
import { utc } from "./model/ids.ts";
import type { Principal } from "./model/principal.ts";
import { FileStore } from "./store/store.ts";

/** The lists. To add a method, a report, a directory service or an auth scheme is to add a line here. */
export const methods = [
  getMethod,
  headMethod,
  putMethod,
  deleteMethod,
  propfindMethod,
  proppatchMethod,
  reportMethod,
  aclMethod,
  mkcolMethod,
  mkcalendarMethod,
  copyMethod,
  moveMethod,
  postMethod,
  lockMethod,
  unlockMethod,
] as const;

export const reports = [
  calendarQuery,
  calendarMultiget,
  freeBusyQuery,
  syncCollection,
  expandProperty,
  principalSearchPropertySet,
  principalPropertySearch,
  principalMatch,
  aclPrincipalPropSet,
  calendarserverPrincipalSearch,
] as const;

/** What stands beside the DAV tree, and the setting that opens it. */
const doorsOf = (config: Config): readonly Door[] => (config.EnableTimezoneService ? [timeZonesDoor] : []);

type DirectoryType = Config["DirectoryService"]["type"];
type OpenBackend = (config: Config, warn: (message: string) => void) => Promise<DirectoryBackend>;
const directories: Partial<Record<DirectoryType, OpenBackend>> = {
  xml: (config, warn) => openXmlAccounts(config.DirectoryService.params.xmlFile, { warn }),
};

const oneMegabyte = 1_048_576;
const noneIfZero = (limit: number): number | undefined => (limit === 0 ? undefined : limit);

const davSettings = (config: Config): DavSettings => ({
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
  proxyPrincipals: config.EnableProxyPrincipals,
  responseCompression: config.ResponseCompression,
  scheduling: schedulingSettings(config.Scheduling),
});

const schedulingSettings = ({ CalDAV, Options }: Config["Scheduling"]): DavSettings["scheduling"] => ({
  // Nothing delivers invitations yet: a client that is told otherwise no longer mails its own.
  implicit: false,
  oldDraftCompatibility: CalDAV.OldDraftCompatibility,
  organizers: [
    "users",
    ...(Options.AllowGroupAsOrganizer ? (["groups"] as const) : []),
    ...(Options.AllowLocationAsOrganizer ? (["locations"] as const) : []),
    ...(Options.AllowResourceAsOrganizer ? (["resources"] as const) : []),
  ],
  freeBusyAttendees: noneIfZero(Options.LimitFreeBusyAttendees) ?? Number.POSITIVE_INFINITY,
});

export interface ServerOptions {
  /** Number of this worker, from 1. */
  readonly worker: number;
  /** Random for each start of the master; the same for all its workers. */
  readonly startId: string;
  readonly log: Logger;
}

/** Builds the services a plist asks for and joins the lists into a Handler. Throws an Error with a sentence when the server
 *  cannot start. */
export async function createServer(
  config: Config,
  { worker, startId, log }: ServerOptions,
): Promise<{ readonly handle: Handler; tidy(): void; close(): Promise<void> }> {
  const warn = (message: string, details?: Readonly<Record<string, unknown>>): void => log.warn(message, details);
  const openBackend = directories[config.DirectoryService.type];
  if (openBackend === undefined)
    throw new Error(`DirectoryService.type: ${config.DirectoryService.type} is not supported in this version`);
  const backend = await openBackend(config, warn);
  const sudoers = await openSudoers(config.SudoersFile, { warn });
  const used = await storeIsUsed(config.DocumentRoot);
  const { store, properties: mode } = await FileStore.open({
    root: config.DocumentRoot,
    startId,
    quota: noneIfZero(config.UserQuota),
    now: () => utc(Math.floor(Date.now() / 1000)),
    warn,
    sweep: worker === 1,
    apart: config.RestrictCalendarsToOneComponentType,
  });
  if (worker === 1)
    log.info(
      mode === "xattr"
        ? "properties are kept in extended attributes"
        : "this volume has no extended attributes: properties are kept in files beside the data",
      { path: config.DocumentRoot },
    );
  const delegates = await openDelegates({
    documentRoot: config.DocumentRoot,
    dataRoot: config.DataRoot,
    storeIsUsed: used,
    warn,
  });
  const directory = createDirectory(backend, delegates);
  const accounts = accountsOf(backend, sudoers);
  const { Digest, Basic } = config.Authentication;
  const schemes: AuthScheme[] = [];
  if (Digest.Enabled)
    schemes.push(digest({ accounts, algorithm: Digest.Algorithm, qop: Digest.Qop, secret: await store.secret() }));
  if (Basic.Enabled) schemes.push(basic({ accounts }));
  const signIn = authenticator({ accounts, schemes });

  const services: Services = {
    store,
    directory,
    urls: makeUrls(directory),
    settings: davSettings(config),
    registry: makeRegistry(methods, reports, properties),
    administrators: principalList(directory, "AdminPrincipals", config.AdminPrincipals, warn),
    readers: principalList(directory, "ReadPrincipals", config.ReadPrincipals, warn),
    now: () => utc(Math.floor(Date.now() / 1000)),
    warn,
  };
  const contextOf = (user: Principal | undefined): Context => ({
    user,
    services,
    privileges: makePrivileges(user, services),
  });
  const rejected = config.RejectClients.map((pattern) => new RegExp(pattern));
  const doors = doorsOf(config);

  const answer = async (request: HttpRequest): Promise<HttpResponse> => {
    let user: Principal | undefined;
    let context: Context | undefined;
    try {
      if (rejected.length > 0) refuseClient(request, rejected);
      const door = doors.find(({ claims }) => claims(request.path));
      if (door !== undefined) return await door.handle(request);
      user = (await signIn.authenticate(request)).user;
      context = contextOf(user);
      return await dispatch(request, context);
    } catch (error) {
      return errorResponse(error, request, context ?? contextOf(user), () => signIn.unauthorized(request).headers);
    }
  };
  const handle: Handler = config.ResponseCompression
    ? async (request) => compressed(request.headers, await answer(request))
    : answer;
  return {
    handle,
    tidy: () => store.tidy(),
    close: async () => {
      await store.close();
      await directory.close();
    },
  };
}

function refuseClient({ headers }: HttpRequest, patterns: readonly RegExp[]): void {
  const agent = headers["user-agent"] ?? "";
  if (patterns.some((pattern) => pattern.test(agent)))
    throw new HttpError(403, `this server does not serve the client ${JSON.stringify(agent.slice(0, 100))}`);
}

/** Whether there is a calendar home already. */
async function storeIsUsed(documentRoot: string): Promise<boolean> {
  const calendars = join(documentRoot, "calendars");
  for (const type of await readdir(calendars).catch(() => []))
    if ((await readdir(join(calendars, type)).catch(() => [])).some((name) => !name.startsWith("."))) return true;
  return false;
}
