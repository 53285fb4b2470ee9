import { isIP } from "node:net";
import { asciiDomain } from "../../base/domain.ts";
import { Lru } from "../../base/lru.ts";
import { type Domains, type Peer, peerFor } from "./domain-map.ts";
import { inOrder, type Names } from "./names.ts";

/** Where peers are known from. */
export interface PeerSources {
  /** What the administrator has written down, as it stands now; earlier ones win. */
  written(): Promise<readonly Domains[]>;
  readonly names: Names;
  /** Whether the DNS is asked for servers of other domains. */
  readonly discovers: boolean;
  /** Mail domain of this server's own people, lower case; empty: none. */
  readonly ownDomain: string;
}

/** ms that what the DNS said holds, and how long somebody waits for it. */
const keptFor = 300_000;
const dnsPatience = 2_000;
const mostKept = 5_000;

interface Kept<T> {
  readonly until: number;
  readonly value: Promise<T>;
}

/** The domain of a mail address, in ASCII (IDNA); undefined for other addresses. */
export function domainOf(address: string): string | undefined {
  const found = /^mailto:[^@]*@([^@\s?]+)$/i.exec(address.trim());
  return found?.[1] === undefined ? undefined : asciiDomain(found[1]) || undefined;
}

/** Who serves which domain, and who is who by address. */
export class Peers {
  readonly #sources: PeerSources;
  readonly #found = new Lru<string, Kept<readonly Peer[]>>({ maxEntries: mostKept });
  readonly #addresses = new Lru<string, Kept<readonly string[]>>({ maxEntries: mostKept });

  constructor(sources: PeerSources) {
    this.#sources = sources;
  }

  /** The servers of a domain in the order in which they are to be tried. What is written down is one, and nobody else is asked. */
  async serversOf(domain: string): Promise<readonly Peer[]> {
    for (const domains of await this.#sources.written()) {
      const peer = peerFor(domain, domains);
      if (peer !== undefined) return peer.url === undefined ? [] : [peer];
    }
    const { discovers, ownDomain } = this.#sources;
    if (!discovers || domain === ownDomain || !domain.includes(".")) return [];
    return kept(this.#found, domain, () => this.#discover(domain));
  }

  /** draft-desruisseaux-ischedule §4: servers with TLS, then those without; where they are not known to take requests elsewhere
   *  (TXT `path=`), at the well-known address. */
  async #discover(domain: string): Promise<readonly Peer[]> {
    const { names } = this.#sources;
    for (const [label, scheme] of [
      ["_ischedules", "https"],
      ["_ischedule", "http"],
    ] as const) {
      const record = `${label}._tcp.${domain}`;
      const services = await names.services(record);
      if (services.length === 0) continue;
      const texts = await names.texts(record).catch(() => []);
      const path = texts.find((text) => text.startsWith("path=/"))?.slice("path=".length) ?? "/.well-known/ischedule";
      return inOrder(services).flatMap(({ name, port }) => {
        const address = `${scheme}://${name}:${port}`;
        if (name === "" || !URL.canParse(address)) return []; // "." says that there is none
        return [{ url: new URL(path, address), hosts: [], isTrusted: false, isWritten: false }];
      });
    }
    return [];
  }

  /** Whether a client at that address is a peer that is trusted by its address, and may send for the domain. */
  async isTrusted(remote: string, domain: string | undefined): Promise<boolean> {
    const address = plainAddress(remote);
    for (const domains of await this.#sources.written()) {
      const peers = domain === undefined ? new Set(domains.values()) : [peerFor(domain, domains)];
      for (const peer of peers) if (peer?.isTrusted && (await this.#sendsFrom(peer, address))) return true;
    }
    return false;
  }

  async #sendsFrom({ url, hosts }: Peer, address: string): Promise<boolean> {
    for (const host of [...(url === undefined ? [] : [url.hostname]), ...hosts]) {
      const name = host.replace(/^\[|\]$/g, "");
      if (plainAddress(name) === address) return true;
      if (isIP(name) !== 0) continue;
      const asked = kept(this.#addresses, name, () => this.#sources.names.addresses(name));
      if ((await asked.catch(() => [])).some((one) => plainAddress(one) === address)) return true;
    }
    return false;
  }
}

/** An IPv4 address that comes in the form of IPv6 is the same. */
const plainAddress = (address: string): string => address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "");

/** Asks once for all who wait; what failed is asked again soon. Throws after a time. */
async function kept<T>(cache: Lru<string, Kept<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  const now = Date.now();
  const known = cache.get(key);
  if (known !== undefined && known.until > now) return known.value;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer about ${key} within ${dnsPatience / 1000} seconds`)),
      dnsPatience,
    );
  });
  const value = Promise.race([ask(), late]).finally(() => clearTimeout(timer));
  cache.set(key, { until: now + keptFor, value });
  value.catch(() => cache.set(key, { until: Date.now() + 10_000, value }));
  return value;
}
