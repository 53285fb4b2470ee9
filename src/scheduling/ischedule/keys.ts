import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Lru } from "../../base/lru.ts";
import type { KeyQuestion } from "./dkim.ts";
import type { Fetcher } from "./fetch.ts";
import type { Names } from "./names.ts";
import type { Peers } from "./peers.ts";

/** Where others' keys are found. */
export interface KeySources {
  readonly peers: Peers;
  readonly names: Names;
  readonly fetcher: Fetcher;
  /** A folder with files `<domain>#<selector>`, each line a record; empty: none. */
  readonly exchanges: string;
}

const keyLimit = 16_384;
const keyPatience = 5_000;
/** ms that a key holds, and that none does. */
const keptFor = 600_000;
const absentFor = 30_000;
/** Look-ups under way: whoever sends signatures of many domains gets no further. */
const atOnce = 16;

/** Others' public keys, in the order: what was handed over by hand, the domain's own web server, the DNS. */
export class PublicKeys {
  readonly #sources: KeySources;
  readonly #kept = new Lru<string, { readonly until: number; readonly keys: readonly string[] }>({ maxEntries: 1_000 });
  #running = 0;

  constructor(sources: KeySources) {
    this.#sources = sources;
  }

  /** Records as published. What cannot be found out counts as none. */
  readonly of = async (question: KeyQuestion): Promise<readonly string[]> => {
    const key = `${question.domain} ${question.selector} ${question.methods.join()}`;
    const known = this.#kept.get(key);
    if (known !== undefined && known.until > Date.now()) return known.keys;
    if (this.#running >= atOnce) return [];
    this.#running += 1;
    try {
      const keys = await this.#find(question);
      this.#kept.set(key, { until: Date.now() + (keys.length === 0 ? absentFor : keptFor), keys });
      return keys;
    } finally {
      this.#running -= 1;
    }
  };

  async #find({ domain, selector, methods }: KeyQuestion): Promise<readonly string[]> {
    const { exchanges, names } = this.#sources;
    for (const method of methods) {
      if (method === "private-exchange") {
        if (exchanges === "") continue;
        const text = await readFile(join(exchanges, `${domain}#${selector}`), "utf8").catch(() => "");
        if (text.trim() !== "") return linesOf(text);
      } else if (method === "http/well-known") {
        const found = await this.#published(domain, selector).catch(() => []);
        if (found.length > 0) return found;
      } else {
        const found = await names.texts(`${selector}._domainkey.${domain}`).catch(() => []);
        if (found.length > 0) return found;
      }
    }
    return [];
  }

  /** At the server that is written down for the domain, else where a SRV record says, else at the domain itself. */
  async #published(domain: string, selector: string): Promise<readonly string[]> {
    const { peers, names, fetcher } = this.#sources;
    const path = `/.well-known/domainkey/${encodeURIComponent(domain)}/${encodeURIComponent(selector)}`;
    const [peer] = await peers.serversOf(domain).catch(() => []);
    // Senders choose the domain: no names and addresses of the inner network.
    if (!peer?.isWritten && !publicName.test(domain)) return [];
    const [service] = peer?.isWritten ? [] : await names.services(`_domainkey_lookup._tcp.${domain}`);
    const origin = service === undefined ? `https://${domain}` : `https://${service.name}:${service.port}`;
    const url = new URL(path, peer?.isWritten && peer.url !== undefined ? peer.url : origin);
    const answer = await fetcher.fetch(url, {
      method: "GET",
      headers: () => ({}),
      patience: keyPatience,
      limit: keyLimit,
    });
    const isText = /^text\/plain\b/i.test(answer.headers["content-type"] ?? "");
    return answer.status === 200 && isText ? linesOf(answer.body.toString()) : [];
  }
}

const publicName = /\.(?!local$|localhost$|internal$|lan$)[a-z][a-z\d-]*$/;

const linesOf = (text: string): readonly string[] =>
  text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "")
    .slice(0, 10);
