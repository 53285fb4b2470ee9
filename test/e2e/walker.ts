import assert from "node:assert/strict";
import { CALDAV, CS, type Element, elements, ICAL, localOf, type QName, textOf } from "../../src/xml/element.ts";
import { type Answer, type Ask, Client, type Item, itemsOf, propfind, shown } from "../support/http-client.ts";

export const d = (local: string): QName => `{DAV:}${local}`;
export const c = (local: string): QName => `{${CALDAV}}${local}`;
export const s = (local: string): QName => `{${CS}}${local}`;
export const i = (local: string): QName => `{${ICAL}}${local}`;
export const me = (local: string): QName => `{http://me.com/_namespace/}${local}`;
export const push = (local: string): QName => `{https://bitfire.at/webdav-push}${local}`;

export const xmlType = "application/xml; charset=utf-8";
export const names = (element: Element | undefined): string[] =>
  element ? elements(element).map(({ name }) => localOf(name)) : [];
export const hrefsIn = (element: Element | undefined): string[] =>
  element
    ? elements(element)
        .filter(({ name }) => name === d("href"))
        .map(textOf)
    : [];
export const privilegesIn = (element: Element | undefined): string[] =>
  element ? elements(element).flatMap((privilege) => names(privilege)) : [];
export const componentsIn = (element: Element | undefined): (string | undefined)[] =>
  element ? elements(element).map(({ attributes }) => attributes["name"]) : [];
export const tokensOf = ({ headers }: Answer): string[] => String(headers["dav"] ?? "").split(/\s*,\s*/);
export const only = (items: readonly Item[]): Item => {
  assert.equal(items.length, 1);
  return items[0] ?? assert.fail();
};

/** A client as it walks: each redirect followed with its method, the way of all of them noted. */
export class Walker {
  readonly client: Client;
  readonly #headers: Readonly<Record<string, string>>;
  constructor(
    server: { readonly host: string; readonly port: number },
    user: string,
    headers: Readonly<Record<string, string>>,
  ) {
    this.client = new Client(server, user, 2);
    this.#headers = headers;
  }
  async ask(method: string, path: string, ask: Ask = {}): Promise<Answer & { readonly path: string }> {
    let at = path;
    for (let hop = 0; hop < 5; hop++) {
      const answer = await this.client.ask(method, at, { ...ask, headers: { ...this.#headers, ...ask.headers } });
      if (![301, 302, 307, 308].includes(answer.status)) return { ...answer, path: at };
      const location = String(answer.headers.location);
      at = location.startsWith("/") ? location : new URL(location).pathname;
    }
    throw new Error(`${method} ${path} is redirected without end`);
  }
  async find(path: string, depth: string, ...wanted: readonly QName[]): Promise<readonly Item[]> {
    const answer = await this.ask("PROPFIND", path, {
      body: propfind(...wanted),
      headers: { depth, "content-type": xmlType },
    });
    assert.equal(answer.status, 207, `PROPFIND ${path}: ${shown(answer)}`);
    const items = itemsOf(answer.text);
    // What a resource lacks is told in a propstat of its own (404), and never fails the request.
    if (!this.minimal)
      for (const item of items)
        for (const name of wanted)
          assert.ok(
            item.found.has(name) || item.missing.has(name),
            `${name} is neither found nor missing on ${item.href}`,
          );
    return items;
  }
  get minimal(): boolean {
    return "prefer" in this.#headers || "brief" in this.#headers;
  }
  async report(path: string, body: string, headers: Record<string, string> = {}): Promise<readonly Item[]> {
    const answer = await this.ask("REPORT", path, { body, headers: { "content-type": xmlType, ...headers } });
    assert.equal(answer.status, 207, `REPORT ${path}: ${shown(answer)}`);
    return itemsOf(answer.text);
  }
}

/** The href of current-user-principal. */
export const principalOf = (item: Item): string => {
  const hrefs = hrefsIn(item.found.get(d("current-user-principal")));
  assert.equal(hrefs.length, 1, "exactly one current-user-principal");
  assert.match(hrefs[0] ?? "", /^\/principals\/.*\/$/);
  return hrefs[0] ?? "";
};
/** The one href of calendar-home-set. */
export const homeOf = (item: Item): string => {
  const hrefs = hrefsIn(item.found.get(c("calendar-home-set")));
  assert.equal(hrefs.length, 1, "exactly one href in calendar-home-set");
  assert.match(hrefs[0] ?? "", /^\/calendars\/.*\/$/);
  return hrefs[0] ?? "";
};
/** Those that are calendars. */
export const calendarsIn = (items: readonly Item[]): readonly Item[] =>
  items.filter(({ found }) => names(found.get(d("resourcetype"))).includes("calendar"));
