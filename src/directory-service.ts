import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Config } from "./config/schema.ts";
import { openApacheFiles } from "./directory/apache-files.ts";
import { AugmentedDirectory } from "./directory/augmented.ts";
import { readAugments } from "./directory/augments-file.ts";
import type { DirectoryBackend } from "./directory/backend.ts";
import { openLdap } from "./directory/ldap/open.ts";
import type { SchemaName } from "./directory/ldap/schema-map.ts";
import { readAccountsApart } from "./directory/read-apart.ts";
import { WithResourceFile } from "./directory/resource-file.ts";
import { WatchedFile } from "./directory/watched-file.ts";
import { openXmlAccounts } from "./directory/xml-accounts.ts";

type Warn = (message: string) => void;
type Open = (config: Config, warn: Warn, startId: string | undefined) => Promise<DirectoryBackend>;
type DirectoryType = Config["DirectoryService"]["type"];

const ldap =
  (schema: SchemaName): Open =>
  (config, warn, startId) => {
    const { params } = config.DirectoryService;
    return openLdap(
      {
        schema,
        realm: params.realmName,
        servers: params.servers,
        startTls: params.startTLS,
        caFile: params.tlsCACertFile,
        verifyCertificate: params.tlsRequireCert,
        bindDn: params.bindDN,
        bindPassword: params.bindPassword,
        bindPasswordFile: params.bindPasswordFile,
        base: params.base,
        overrides: { below: params.places, filters: params.filters, attributes: params.attributes },
        timeout: params.timeout * 1000,
        connections: params.connections,
        freshFor: params.cacheTimeout * 60_000,
        absentFor: params.negativeCacheTimeout * 1000,
        staleFor: params.staleTimeout * 60_000,
        cacheSize: params.cacheSize,
        restrictToGroup:
          params.restrictEnabledRecords && params.restrictToGroup !== "" ? params.restrictToGroup : undefined,
        requireComputerRecord: schema === "opendirectory" && params.requireComputerRecord,
        localUserAttribute: params.localUserAttribute === "" ? undefined : params.localUserAttribute,
        serverHostName: config.ServerHostName,
        secret: startId ?? randomUUID(),
        keepIn: startId === undefined ? undefined : join(config.DataRoot, "directory-answers.sqlite"),
      },
      { warn },
    );
  };

const apache =
  (kind: "basic" | "digest"): Open =>
  (config, warn) => {
    const { realmName, userFile, groupFile } = config.DirectoryService.params;
    return openApacheFiles({ kind, realm: realmName, userFile, groupFile }, { warn });
  };

/** One line for each service. */
const services: Partial<Record<DirectoryType, Open>> = {
  xml: (config, warn) => openXmlAccounts(config.DirectoryService.params.xmlFile, { warn }),
  ldap: ldap("ldap"),
  opendirectory: ldap("opendirectory"),
  activedirectory: ldap("activedirectory"),
  "apache-basic": apache("basic"),
  "apache-digest": apache("digest"),
};

/** The most lines logged about one reading of a file. */
const maxWarnings = 50;

/** Opens the directory service that the configuration names, with the files that add to it. `startId`: random for each start,
 *  the same for all workers; undefined for a program that is no worker, which neither reads nor writes what they share. Throws Error with a sentence that
 *  names the key when it cannot be used. */
export async function openDirectoryService(
  config: Config,
  { startId, warn }: { readonly startId: string | undefined; readonly warn: Warn },
): Promise<DirectoryBackend> {
  const { type } = config.DirectoryService;
  const open = services[type];
  if (open === undefined) throw new Error(`DirectoryService.type: ${type} is not supported in this version`);
  let backend: DirectoryBackend;
  try {
    backend = await open(config, warn, startId);
  } catch (error) {
    throw new Error(`DirectoryService: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  try {
    if (config.ResourceService.Enabled)
      backend = new WithResourceFile(backend, await resourceFile(config.ResourceService.params.xmlFile, warn));
    const { xmlFiles } = config.AugmentService.params;
    if (xmlFiles.length === 0) return backend;
    return new AugmentedDirectory(
      backend,
      await Promise.all(xmlFiles.map((path) => augmentFile(path, warn))),
      config.ServerHostName,
    );
  } catch (error) {
    await backend.close();
    throw error;
  }
}

const resourceFile = (path: string, warn: Warn) =>
  WatchedFile.open(
    path,
    (bytes) => {
      if (bytes === undefined) throw new Error("there is no such file of resources");
      return readAccountsApart(bytes, lines(path, warn), true);
    },
    { warn },
  );

const augmentFile = (path: string, warn: Warn) =>
  WatchedFile.open(
    path,
    (bytes) => {
      if (bytes === undefined) throw new Error("there is no such augment file");
      return readAugments(bytes, lines(path, warn));
    },
    { warn },
  );

function lines(path: string, warn: Warn): (line: number, message: string) => void {
  let said = 0;
  return (line, message) => {
    if (said++ < maxWarnings) warn(`${path}: line ${line}: ${message}`);
  };
}
