import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Config } from "../../config/schema.ts";
import { WatchedFile } from "../../directory/watched-file.ts";
import { IScheduleChannel } from "./channel.ts";
import { type KeyMethod, keyRecord, type Signer } from "./dkim.ts";
import { type Domains, readDomainMap } from "./domain-map.ts";
import { Fetcher } from "./fetch.ts";
import { PublicKeys } from "./keys.ts";
import { namesOf, systemNames } from "./names.ts";
import { Peers } from "./peers.ts";
import { readRemoteServers } from "./remote-servers.ts";

/** Everything that scheduling with other servers needs. */
export interface ISchedule {
  readonly channel: IScheduleChannel;
  readonly peers: Peers;
  readonly keys: PublicKeys;
  /** What is published at `/.well-known/domainkey/<domain>/<selector>`; undefined while nothing is signed. */
  readonly published: { readonly domain: string; readonly selector: string; readonly record: string } | undefined;
}

const nobody: Domains = new Map();

/** Opens what the configuration says; undefined when iSchedule is switched off. Throws Error when a file is wrong, or there is no key to
 *  sign with. */
export async function openISchedule(
  { Scheduling: { iSchedule, CalDAV }, ServerHostName }: Config,
  warn: (message: string, details?: Readonly<Record<string, unknown>>) => void,
): Promise<ISchedule | undefined> {
  if (!iSchedule.Enabled) return undefined;
  const { DKIM } = iSchedule;
  const options = { warn: (message: string) => warn(message) };
  const map = await WatchedFile.open(
    iSchedule.DomainMap,
    (bytes) => (bytes === undefined ? nobody : readDomainMap(bytes.toString())),
    options,
  );
  const lists = await Promise.all(
    [iSchedule.RemoteServers, iSchedule.Servers].map((path) =>
      WatchedFile.open(path, (bytes) => (bytes === undefined ? nobody : readRemoteServers(bytes)), options),
    ),
  );
  const names = iSchedule.DNSDebug === "" ? systemNames : namesOf(await readFile(iSchedule.DNSDebug, "utf8"));
  const peers = new Peers({
    written: () => Promise.all([map, ...lists].map((file) => file.current())),
    names,
    discovers: iSchedule.UseDNS,
    ownDomain: CalDAV.EmailDomain.toLowerCase(),
  });
  const fetcher = new Fetcher(iSchedule.TLSCACertFile);
  const domain = (DKIM.Domain === "" ? ServerHostName : DKIM.Domain).toLowerCase();
  const key = DKIM.Enabled ? await privateKey(DKIM.PrivateKeyFile) : undefined;
  const signer: Signer | undefined = key && {
    domain,
    selector: DKIM.KeySelector,
    algorithm: DKIM.SignatureAlgorithm,
    methods: methodsOf(DKIM),
    expires: DKIM.ExpireSeconds,
    key,
  };
  const patterns = iSchedule.AddressPatterns.map((pattern) => new RegExp(pattern));
  return {
    channel: new IScheduleChannel({ peers, fetcher, signer, patterns, warn }),
    peers,
    keys: new PublicKeys({ peers, names, fetcher, exchanges: DKIM.PrivateExchanges }),
    published: key && {
      domain,
      selector: DKIM.KeySelector,
      record: keyRecord(await publicKey(DKIM.PublicKeyFile, key)),
    },
  };
}

function methodsOf({ UsePrivateExchangeKey, UseHTTPKey, UseDNSKey }: Config["Scheduling"]["iSchedule"]["DKIM"]) {
  const methods: KeyMethod[] = [];
  if (UsePrivateExchangeKey) methods.push("private-exchange");
  if (UseHTTPKey) methods.push("http/well-known");
  if (UseDNSKey) methods.push("dns/txt");
  return methods;
}

async function privateKey(path: string): Promise<KeyObject> {
  if (path === "")
    throw new Error("Scheduling.iSchedule.DKIM.PrivateKeyFile: signing needs a key; caladmin dkim makes one");
  try {
    return createPrivateKey(await readFile(path));
  } catch (error) {
    throw new Error(`${path} is no private key in PEM: ${(error as Error).message}`, { cause: error });
  }
}

/** The one in the file must be the private one's: else nobody could verify. */
async function publicKey(path: string, key: KeyObject): Promise<KeyObject> {
  const own = createPublicKey(key);
  if (path === "") return own;
  const written = createPublicKey(await readFile(path));
  if (!written.equals(own)) throw new Error(`${path} is not the public key of the private one`);
  return own;
}
