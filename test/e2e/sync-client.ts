import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { dav, textOf } from "../../src/xml/element.ts";
import {
  type Answer,
  Client,
  itemsOf,
  multiget,
  preconditionOf,
  shown,
  syncCollection,
  syncTokenOf,
} from "../support/http-client.ts";

const etagName = dav("getetag");
const dataName = "{urn:ietf:params:xml:ns:caldav}calendar-data";

/** A small client as phones have them: sync-collection, then calendar-multiget of what changed; on valid-sync-token it
 *  starts again from nothing and drops what it is not told of. */
export class SyncClient {
  /** Name to ETag, quotes included. */
  readonly etags = new Map<string, string>();
  readonly texts = new Map<string, string>();
  token = "";
  /** Rounds finished. */
  rounds = 0;
  /** How often the server refused the token. */
  refusals = 0;
  readonly #client: Client;
  readonly #path: string;

  constructor(server: { readonly host: string; readonly port: number }, user: string, path: string) {
    this.#client = new Client(server, user, 1);
    this.#path = path;
  }

  /** Asks with a token and answers what came, without changing what the client knows. */
  ask(token: string): Promise<Answer> {
    return this.#client.ask("REPORT", this.#path, {
      body: syncCollection(token, etagName),
      headers: { "content-type": "application/xml", depth: "1" },
    });
  }

  /** One synchronisation. Throws for every answer that a server must not give. */
  async round(): Promise<void> {
    let answer = await this.ask(this.token);
    let whole = this.token === "";
    if (answer.status === 403 && preconditionOf(answer) === "{DAV:}valid-sync-token") {
      this.refusals++;
      this.token = "";
      whole = true;
      answer = await this.ask("");
    }
    if (answer.status !== 207) throw new Error(`sync-collection: ${shown(answer)}`);
    const changed = new Map<string, string>();
    const seen = new Set<string>();
    for (const { href, status, found } of itemsOf(answer.text)) {
      const name = decodeURIComponent(href.slice(href.lastIndexOf("/") + 1));
      if (name === "") continue;
      seen.add(name);
      if (status === 404) {
        this.etags.delete(name);
        this.texts.delete(name);
        continue;
      }
      const etag = textOf(found.get(etagName) ?? "");
      if (etag === "") throw new Error(`${href} has no ETag: ${answer.text.slice(0, 1000)}`);
      if (this.etags.get(name) !== etag) changed.set(name, etag);
    }
    if (whole)
      for (const name of [...this.etags.keys()])
        if (!seen.has(name)) {
          this.etags.delete(name);
          this.texts.delete(name);
        }
    if (changed.size > 0) await this.#fetch([...changed.keys()]);
    for (const [name, etag] of changed) if (!this.#gone.has(name)) this.etags.set(name, etag);
    this.token = syncTokenOf(answer.text);
    this.rounds++;
  }

  /** Names that vanished between the two requests of the round. */
  readonly #gone = new Set<string>();

  async #fetch(names: readonly string[]): Promise<void> {
    this.#gone.clear();
    const hrefs = names.map((name) => this.#path + encodeURIComponent(name));
    const answer = await this.#client.ask("REPORT", this.#path, {
      body: multiget(hrefs),
      headers: { "content-type": "application/xml" },
    });
    if (answer.status !== 207) throw new Error(`calendar-multiget: ${shown(answer)}`);
    const items = itemsOf(answer.text);
    if (items.length !== hrefs.length) throw new Error(`${hrefs.length} hrefs asked, ${items.length} answered`);
    for (const { href, status, found } of items) {
      const name = decodeURIComponent(href.slice(href.lastIndexOf("/") + 1));
      const data = found.get(dataName);
      if (data !== undefined) this.texts.set(name, textOf(data));
      else if (status === 404) this.#gone.add(name);
      else if (status !== undefined && status >= 500) throw new Error(`${href} answered ${status}`);
    }
  }

  close(): void {
    this.#client.close();
  }
}

/** What a directory holds: name to ETag, which is the MD5 of the bytes. */
export async function directoryState(path: string): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  for (const item of (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1)))
    if (item.isFile() && !item.name.startsWith("."))
      state.set(item.name, etagOf(await readFile(join(path, item.name))));
  return state;
}

export const etagOf = (bytes: Buffer | string): string => `"${createHash("md5").update(bytes).digest("hex")}"`;

/** In order of name, to be compared. */
export const sorted = (state: ReadonlyMap<string, string>): [string, string][] =>
  [...state].sort(([a], [b]) => (a < b ? -1 : 1));
