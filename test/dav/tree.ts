import { Readable } from "node:stream";
import { makePrivileges } from "../../src/dav/privileges.ts";
import { properties } from "../../src/dav/properties/all.ts";
import {
  type AnyReport,
  type Context,
  type DavSettings,
  type Method,
  makeRegistry,
  type Services,
} from "../../src/dav/registry.ts";
import { withScheduling } from "../../src/dav/scheduling-service.ts";
import { makeUrls } from "../../src/dav/urls.ts";
import { principalList } from "../../src/directory/access.ts";
import { openDelegates } from "../../src/directory/delegates.ts";
import { createDirectory } from "../../src/directory/directory.ts";
import { openSudoers } from "../../src/directory/sudoers.ts";
import { openXmlAccounts } from "../../src/directory/xml-accounts.ts";
import type { HttpRequest, HttpResponse } from "../../src/http/message.ts";
import { decodePath } from "../../src/http/uri.ts";
import type { Principal } from "../../src/model/principal.ts";
import type { FileStore, StoreOptions } from "../../src/store/store.ts";
import { givenStore, now } from "../support/store.ts";

export const settings: DavSettings = {
  serverHostName: "localhost",
  httpPort: 8008,
  sslPort: 0,
  maxResourceSize: 1_048_576,
  maxAttendeesPerInstance: 100,
  maxInstances: 1000,
  maxCollectionsPerHome: 50,
  maxResourcesPerCollection: 10_000,
  maxXmlBody: 1_048_576,
  maxMultigetHrefs: 5000,
  maxQueryResults: 10_000,
  anonymousReadRoot: true,
  anonymousReadNav: false,
  principalListings: true,
  monolithicCalendars: true,
  privateEvents: true,
  timeZoneService: true,
  dropbox: true,
  attachments: {
    managed: true,
    maxSize: 1_048_576,
    maxTotal: 1_048_576,
    maxCount: 100,
    base: "http://localhost:8008",
  },
  proxyPrincipals: true,
  responseCompression: false,
  freeBusyUrl: undefined,
  sharing: { enabled: true, publishing: true, announcePublishing: true },
  scheduling: {
    implicit: false,
    oldDraftCompatibility: true,
    privateComments: true,
    tagCompatibility: true,
    organizers: ["users"],
    freeBusyAttendees: 30,
    groupMembers: 20,
  },
};

export interface Tree {
  readonly store: FileStore;
  readonly services: Services;
  readonly warnings: string[];
  user(name: string): Promise<Principal>;
  /** What one request of this user sees; undefined: not signed in. */
  context(name: string | undefined): Promise<Context>;
  end(): Promise<void>;
}

/** The test accounts and an empty store, with everything of the DAV floor that is declared. */
export async function givenTree(
  declared: { readonly methods?: readonly Method[]; readonly reports?: readonly AnyReport[] } = {},
  changed: Partial<DavSettings> = {},
  accounts = new URL("../../data/accounts-test.xml", import.meta.url).pathname,
  options: Partial<StoreOptions> = {},
): Promise<Tree> {
  const given = await givenStore({ quota: 104_857_600, ...options });
  const warn = (message: string): void => void given.warnings.push(message);
  const directory = createDirectory(
    await openXmlAccounts(accounts, { warn }),
    await openDelegates({ documentRoot: given.root, dataRoot: given.root, storeIsUsed: false, warn }),
  );
  const services = withScheduling({
    store: given.store,
    directory,
    sudoers: await openSudoers(new URL("../../data/sudoers-test.plist", import.meta.url).pathname, { warn }),
    urls: makeUrls(directory),
    settings: { ...settings, ...changed },
    registry: makeRegistry(declared.methods ?? [], declared.reports ?? [], properties),
    administrators: principalList(directory, "AdminPrincipals", ["/principals/users/admin/"], () => undefined),
    readers: async () => [],
    now: options.now ?? (() => now),
    warn: (message, details) => void given.warnings.push(`${message} ${String(details?.["error"])}`),
  });
  const user = async (name: string): Promise<Principal> => {
    const found = await directory.byShortName("users", name);
    if (found === undefined) throw new Error(`no user ${name}`);
    return found;
  };
  return {
    store: given.store,
    services,
    warnings: given.warnings,
    user,
    context: async (name) => {
      const who = name === undefined ? undefined : await user(name);
      return { user: who, services, privileges: makePrivileges(who, services) };
    },
    end: async () => {
      await services.scheduling.close();
      await directory.close();
      await given.end();
    },
  };
}

/** A request as the listener would make it. */
export function requestOf(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  body = "",
): HttpRequest {
  const [rawPath = "/", query = ""] = target.split("?");
  return {
    method,
    rawPath,
    path: decodePath(rawPath),
    query: new URLSearchParams(query),
    headers,
    body: Readable.from(body === "" ? [] : [Buffer.from(body)]),
    signal: new AbortController().signal,
    remote: "127.0.0.1",
    secure: false,
    log: { user: "-", report: undefined, items: [] },
  };
}

export async function textOfBody({ body }: HttpResponse): Promise<string> {
  if (body === undefined) return "";
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return Buffer.from(body).toString();
  let text = "";
  for await (const part of body) text += typeof part === "string" ? part : Buffer.from(part).toString();
  return text;
}
