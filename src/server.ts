import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { accountsOf } from "./auth/accounts.ts";
import { AppPasswords } from "./auth/app-passwords.ts";
import { Attempts, type Failure } from "./auth/attempts.ts";
import { authenticator } from "./auth/authenticate.ts";
import { basic } from "./auth/basic.ts";
import { digest } from "./auth/digest.ts";
import { negotiate } from "./auth/negotiate.ts";
import type { AuthScheme } from "./auth/scheme.ts";
import { slowHashes } from "./auth/slow-hashes.ts";
import type { Logger } from "./base/log.ts";
import type { Config } from "./config/schema.ts";
import { keepSwept } from "./dav/attachments/sweep.ts";
import { dispatch } from "./dav/dispatch.ts";
import { errorResponse } from "./dav/error-body.ts";
import { aclMethod } from "./dav/methods/acl.ts";
import { copyMethod, moveMethod } from "./dav/methods/copy-move.ts";
import { deleteMethod } from "./dav/methods/delete.ts";
import { getMethod, headMethod } from "./dav/methods/get.ts";
import { lockMethod } from "./dav/methods/lock.ts";
import { mkcalendarMethod, mkcolMethod } from "./dav/methods/mkcol.ts";
import { busyTimeForStranger } from "./dav/methods/outbox-post.ts";
import { postMethod } from "./dav/methods/post.ts";
import { propfindMethod } from "./dav/methods/propfind.ts";
import { proppatchMethod } from "./dav/methods/proppatch.ts";
import { putMethod } from "./dav/methods/put.ts";
import { reportMethod } from "./dav/methods/report.ts";
import { unlockMethod } from "./dav/methods/unlock.ts";
import { makePrivileges } from "./dav/privileges.ts";
import { product } from "./dav/product.ts";
import { properties } from "./dav/properties/all.ts";
import { type Context, makeRegistry, type Services } from "./dav/registry.ts";
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
import { calendarUser } from "./dav/resolve.ts";
import { withScheduling } from "./dav/scheduling-service.ts";
import { publicCalendar } from "./dav/sharing/public-calendar.ts";
import { makeUrls } from "./dav/urls.ts";
import { davSettings, noneIfZero } from "./dav-settings.ts";
import { principalList, type ServiceAccess, serviceAccess } from "./directory/access.ts";
import { keepDumps } from "./directory/delegate-dumps.ts";
import { delegatesPath, openDelegates } from "./directory/delegates.ts";
import { createDirectory } from "./directory/directory.ts";
import { openSudoers } from "./directory/sudoers.ts";
import { openDirectoryService } from "./directory-service.ts";
import type { Door } from "./doors/door.ts";
import { type IScheduleDoor, iScheduleDoor } from "./doors/ischedule.ts";
import { publishedDoor } from "./doors/published.ts";
import { timeZonesDoor } from "./doors/timezones.ts";
import { compressed } from "./http/compress.ts";
import { type Handler, HttpError, type HttpRequest, type HttpResponse } from "./http/message.ts";
import { type Utc, utc } from "./model/ids.ts";
import type { Principal } from "./model/principal.ts";
import { addressElsewhere } from "./scheduling/channels.ts";
import { type ISchedule, openISchedule } from "./scheduling/ischedule/open.ts";
import { openMail } from "./scheduling/mail/open.ts";
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

/** Between two looks whether the members of invited groups have changed, ms. */
const groupInterval = 30_000;
/** Between two looks for jobs that nobody finishes, ms. */
const queueInterval = 5_000;

export interface ServerOptions {
  /** Number of this worker, from 1. */
  readonly worker: number;
  /** Random for each start of the master; the same for all its workers. */
  readonly startId: string;
  readonly log: Logger;
  /** Passes plain data on to the other workers. */
  readonly tell?: (news: unknown) => void;
}

/** Builds the services a plist asks for and joins the lists into a Handler. Throws an Error with a sentence when the server
 *  cannot start. */
export async function createServer(
  config: Config,
  { worker, startId, log, tell }: ServerOptions,
): Promise<{ readonly handle: Handler; tidy(): void; hear(news: unknown): void; close(): Promise<void> }> {
  const warn = (message: string, details?: Readonly<Record<string, unknown>>): void => log.warn(message, details);
  const backend = await openDirectoryService(config, { startId, warn });
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
  const roots = { documentRoot: config.DocumentRoot, dataRoot: config.DataRoot };
  const delegates = await openDelegates({ ...roots, storeIsUsed: used, warn });
  // One worker does, as it sweeps.
  const endDumps = worker === 1 ? keepDumps(delegates, await delegatesPath(roots), warn) : undefined;
  const directory = createDirectory(backend, delegates);
  const hashes = slowHashes();
  const accounts = accountsOf({
    directory: backend,
    sudoers,
    hashes,
    appPasswords: new AppPasswords(config.DocumentRoot),
  });
  const attempts = new Attempts({ log: log.named("auth"), tell });
  const { Kerberos, Digest, Basic } = config.Authentication;
  const schemes: AuthScheme[] = [];
  if (Kerberos.Enabled) {
    const { ServicePrincipal: servicePrincipal, Keytab: keytab } = Kerberos;
    const options = { accounts, servicePrincipal, keytab, host: config.ServerHostName, log: log.named("auth") };
    const scheme = await negotiate(options);
    if (scheme !== undefined) schemes.push(scheme);
  }
  if (Digest.Enabled) {
    const { Algorithm: algorithm, Qop: qop } = Digest;
    schemes.push(digest({ accounts, attempts, algorithm, qop, secret: await store.secret() }));
  }
  if (Basic.Enabled) schemes.push(basic({ accounts, attempts, withoutTls: Basic.AllowWithoutTLS }));
  const signIn = authenticator({ accounts, schemes });

  const urls = makeUrls(directory);
  const settings = davSettings(config);
  const iSchedule = await openISchedule(config, warn);
  const now = (): Utc => utc(Math.floor(Date.now() / 1000));
  const mail = openMail(config, { now, warn, calendarUser: (address) => calendarUser(address, directory, urls) });
  // The ways to people of other servers, in the order in which they are asked.
  const services = withScheduling(
    {
      store,
      directory,
      sudoers,
      urls,
      settings,
      registry: makeRegistry(methods, reports, properties),
      administrators: principalList(directory, "AdminPrincipals", config.AdminPrincipals, warn),
      readers: principalList(directory, "ReadPrincipals", config.ReadPrincipals, warn),
      now,
      warn,
    },
    [iSchedule?.channel, mail?.channel].filter((channel) => channel !== undefined),
  );
  const { scheduling } = services;
  const owners = async function* (): AsyncGenerator<Principal> {
    for await (const { owner, named } of store.homes()) {
      const found =
        (owner && (await directory.byUid(owner))) ?? (named && (await directory.byShortName(named.type, named.name)));
      if (found !== undefined) yield found;
    }
  };
  const endSweeps = worker === 1 ? keepSwept(owners, services) : undefined;
  const contextOf = (user: Principal | undefined): Context => ({
    user,
    services,
    privileges: makePrivileges(user, services),
  });
  const access = config.EnableSACLs ? serviceAccess(backend, directory) : undefined;
  if (worker === 1) {
    scheduling.groups.start(groupInterval);
    scheduling.queue.start(queueInterval);
  }
  scheduling.recover().catch((error: unknown) => warn("the queue of messages cannot be read", { error }));
  const endMail = mail?.receive({
    log: (message, details) => log.named("mail").info(message, details),
    claim: () => store.claim("mail"),
    receive: (message, how) => scheduling.receive(message, how),
    undelivered: (owner, uid, address) => scheduling.undelivered(owner, uid, address),
  });
  const rejected = config.RejectClients.map((pattern) => new RegExp(pattern));
  const doors = [
    ...doorsOf(config),
    ...(iSchedule === undefined ? [] : [iScheduleDoor(othersDoor(iSchedule, config, services))]),
    ...(config.Sharing.Publishing.Enabled ? [publishedDoor((token) => publicCalendar(token, services))] : []),
  ];

  const answer = async (request: HttpRequest): Promise<HttpResponse> => {
    let user: Principal | undefined;
    let context: Context | undefined;
    let told: HttpResponse["headers"];
    try {
      if (rejected.length > 0) refuseClient(request, rejected);
      if (config.RedirectHTTPToHTTPS && !request.secure) return toHttps(request, config);
      const door = doors.find(({ claims }) => claims(request.path));
      if (door !== undefined) return await door.handle(request);
      const signedIn = await signIn.authenticate(request);
      user = signedIn.user;
      // Clients that sign in only when asked ask for OPTIONS first, which anybody may: the answer says that there is more to
      // be had (RFC 9110 §11.6.1 allows the challenge in every answer).
      const mayAsk = user === undefined && request.method === "OPTIONS";
      told = mayAsk ? signIn.unauthorized(request).headers : signedIn.headers;
      context = contextOf(user);
      if (access !== undefined) await checkServiceAccess(access, user, request);
      return withHeaders(await dispatch(request, context), told);
    } catch (error) {
      const failed = context ?? contextOf(user);
      const answered = errorResponse(error, request, failed, () => signIn.unauthorized(request).headers);
      // Where nobody can sign in, that is what a stranger is told: a 401 without a challenge is none (RFC 9110 §15.5.2).
      if (answered.status === 401 && answered.headers?.["www-authenticate"] === undefined)
        return errorResponse(signIn.unauthorized(request), request, failed, () => ({}));
      return withHeaders(answered, told);
    }
  };
  const handle: Handler = config.ResponseCompression
    ? async (request) => compressed(request.headers, await answer(request))
    : answer;
  return {
    handle,
    tidy: () => store.tidy(),
    // Failures are all that workers tell each other.
    hear: (news) => attempts.heard(news as Failure),
    close: async () => {
      hashes.close();
      await endSweeps?.();
      await endMail?.();
      await scheduling.close();
      await store.close();
      await endDumps?.();
      await directory.close();
    },
  };
}

/** What other servers' door is opened with. */
function othersDoor(iSchedule: ISchedule, config: Config, services: Services): IScheduleDoor {
  const { directory, urls, settings, store, scheduling, now, warn } = services;
  const { SerialNumber: serial, DKIM } = config.Scheduling.iSchedule;
  return {
    ...iSchedule,
    capabilities: {
      serial,
      maxContentLength: settings.maxResourceSize ?? 1_048_576,
      maxInstances: settings.maxInstances,
      maxRecipients: settings.maxAttendeesPerInstance ?? 1_000,
    },
    tells: DKIM.ProtocolDebug,
    received: store.received,
    product,
    now,
    warn,
    isOurs: async (address) => addressElsewhere(address, await calendarUser(address, directory, urls)) === undefined,
    receive: (message, how) => scheduling.receive(message, how),
    busyTime: async (message) =>
      message.busyTime === undefined ? [] : busyTimeForStranger(message, message.busyTime, services),
  };
}

/** The first of the guide's two gates: the service's access list. The second is the record (dav/dispatch). */
async function checkServiceAccess(
  access: ServiceAccess,
  user: Principal | undefined,
  request: HttpRequest,
): Promise<void> {
  // It only says where to sign in.
  if (request.path[0] === ".well-known") return;
  if (user === undefined) {
    if (await access.limited()) throw new HttpError(401, "sign in first");
  } else if (!(await access.allows(user)))
    throw new HttpError(403, `${user.shortName} is not on the access list of the calendar service`);
}

/** As the original: every request without TLS, before anybody is asked for a password. */
function toHttps({ rawPath, query }: HttpRequest, { ServerHostName, SSLPort }: Config): HttpResponse {
  const host = ServerHostName.includes(":") ? `[${ServerHostName}]` : ServerHostName;
  const search = query.size === 0 ? "" : `?${query}`;
  const location = `https://${host}${SSLPort === 443 ? "" : `:${SSLPort}`}${rawPath}${search}`;
  return { status: 301, headers: { location } };
}

const withHeaders = (answer: HttpResponse, more: HttpResponse["headers"]): HttpResponse =>
  more === undefined ? answer : { ...answer, headers: { ...answer.headers, ...more } };

function refuseClient({ headers }: HttpRequest, patterns: readonly RegExp[]): void {
  const agent = headers["user-agent"] ?? "";
  if (patterns.some((pattern) => pattern.test(agent)))
    throw new HttpError(403, `this server does not serve the client ${JSON.stringify(agent.slice(0, 100))}`);
}

/** Whether there is a calendar home already. */
export async function storeIsUsed(documentRoot: string): Promise<boolean> {
  const calendars = join(documentRoot, "calendars");
  for (const type of await readdir(calendars).catch(() => []))
    if ((await readdir(join(calendars, type)).catch(() => [])).some((name) => !name.startsWith("."))) return true;
  return false;
}
