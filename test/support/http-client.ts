import { Agent, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import {
  childrenNamed,
  dav,
  type Element,
  elements,
  child as firstChild,
  type QName,
  textOf,
} from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Ask {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
  /** Short name, which is also the password; `null` sends no credentials. Default: the client's. */
  readonly user?: string | null;
}

/** A response of a multistatus. */
export interface Item {
  readonly href: string;
  /** Of the whole response; undefined when it has propstats. */
  readonly status: number | undefined;
  /** Properties with status 200, by Clark name. */
  readonly found: ReadonlyMap<QName, Element>;
  /** Clark names to the other statuses. */
  readonly missing: ReadonlyMap<QName, number>;
}

/** Keeps connections open, as clients do. */
export class Client {
  readonly #agent: Agent;
  readonly #host: string;
  readonly #port: number;
  readonly #user: string | null;

  constructor(server: { readonly host: string; readonly port: number }, user: string | null, sockets = 8) {
    this.#host = server.host;
    this.#port = server.port;
    this.#user = user;
    this.#agent = new Agent({ keepAlive: true, maxSockets: sockets });
  }

  /** One request. Rejects when the connection breaks off. */
  ask(method: string, path: string, { headers = {}, body, user = this.#user }: Ask = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = httpRequest(
        {
          host: this.#host,
          port: this.#port,
          agent: this.#agent,
          method,
          path,
          headers: {
            ...(user === null ? {} : { authorization: basic(user) }),
            ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }),
            ...headers,
          },
        },
        (received) => {
          const chunks: Buffer[] = [];
          received.on("data", (chunk: Buffer) => chunks.push(chunk));
          received.on("error", reject);
          received.on("end", () =>
            resolve({
              status: received.statusCode ?? 0,
              headers: received.headers,
              text: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      sent.on("error", (error) => reject(new Error(`${method} ${path}: ${error.message}`, { cause: error })));
      sent.end(body);
    });
  }

  /** As `ask`; a status not among `statuses` throws with the whole answer. */
  async expect(statuses: number | readonly number[], method: string, path: string, ask: Ask = {}): Promise<Answer> {
    const answer = await this.ask(method, path, ask);
    const allowed = typeof statuses === "number" ? [statuses] : statuses;
    if (!allowed.includes(answer.status))
      throw new Error(`${method} ${path}: expected ${allowed.join(" or ")}, got ${shown(answer)}`);
    return answer;
  }

  /** An XML request answered with 207. */
  async multistatus(
    method: string,
    path: string,
    body: string,
    headers: OutgoingHttpHeaders = {},
  ): Promise<readonly Item[]> {
    const answer = await this.expect(207, method, path, {
      body,
      headers: { "content-type": "application/xml; charset=utf-8", ...headers },
    });
    return itemsOf(answer.text);
  }

  close(): void {
    this.#agent.destroy();
  }
}

export const basic = (user: string): string => `Basic ${Buffer.from(`${user}:${user}`).toString("base64")}`;

/** An answer as a failing test shows it. */
export const shown = (answer: Answer): string =>
  `${answer.status}\n${JSON.stringify(answer.headers)}\n${answer.text.slice(0, 2000)}`;

const statusOf = (element: Element): number => {
  const status = firstChild(element, dav("status"));
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(status === undefined ? "" : textOf(status).trim())?.[1] ?? 0);
};

/** The responses of a multistatus body. Throws for what is not one. */
export function itemsOf(text: string): readonly Item[] {
  const root = readXml(text, { elements: 10_000_000 });
  if (root.name !== dav("multistatus")) throw new Error(`not a multistatus: ${text.slice(0, 500)}`);
  return childrenNamed(root, dav("response")).map((response) => {
    const found = new Map<QName, Element>();
    const missing = new Map<QName, number>();
    const propstats = childrenNamed(response, dav("propstat"));
    for (const propstat of propstats) {
      const status = statusOf(propstat);
      const prop = firstChild(propstat, dav("prop"));
      for (const property of prop === undefined ? [] : elements(prop))
        if (status === 200) found.set(property.name, property);
        else missing.set(property.name, status);
    }
    const href = firstChild(response, dav("href"));
    return {
      href: href === undefined ? "" : textOf(href),
      status: propstats.length === 0 ? statusOf(response) : undefined,
      found,
      missing,
    };
  });
}

/** The sync token behind the responses of a sync-collection. */
export function syncTokenOf(text: string): string {
  const token = /<D:sync-token>([^<]*)<\/D:sync-token>\s*<\/D:multistatus>\s*$/.exec(text)?.[1];
  if (token === undefined) throw new Error(`no sync token at the end of ${text.slice(-500)}`);
  return token;
}

/** Clark name of the precondition inside DAV:error; undefined when the body is none. */
export function preconditionOf(answer: Answer): string | undefined {
  if (!answer.text.startsWith("<?xml")) return undefined;
  const root = readXml(answer.text);
  return root.name === dav("error") ? elements(root)[0]?.name : undefined;
}

/** A PROPFIND body asking for properties by Clark name. */
export const propfind = (...names: readonly QName[]): string =>
  `<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>${names.map(emptyTag).join("")}</prop></propfind>`;

/** `<x xmlns="…"/>` */
export const emptyTag = (name: QName): string => {
  const end = name.indexOf("}");
  return `<${name.slice(end + 1)} xmlns="${name.slice(1, end)}"/>`;
};

export const syncCollection = (token: string, ...names: readonly QName[]): string =>
  `<?xml version="1.0" encoding="utf-8"?><sync-collection xmlns="DAV:"><sync-token>${token}</sync-token><sync-level>1</sync-level><prop>${names.map(emptyTag).join("")}</prop></sync-collection>`;

export const multiget = (hrefs: readonly string[]): string =>
  `<?xml version="1.0" encoding="utf-8"?><C:calendar-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/><C:calendar-data/></prop>${hrefs.map((href) => `<href>${href}</href>`).join("")}</C:calendar-multiget>`;
