import http from "node:http";
import https from "node:https";
import { authoritiesIn, isCertificateProblem } from "../../base/trust.ts";

/** What was asked of another server. */
export interface Asked {
  readonly method: "GET" | "POST";
  /** Names as they are to be written. Called for each try. */
  headers(): Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** ms for all of it. */
  readonly patience: number;
  /** Bytes of the answer. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** Where it came from in the end. */
  readonly url: URL;
}

/** Redirects that are followed (draft-desruisseaux-ischedule §4.2 asks for it). */
const mostRedirects = 3;
const redirects: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/** Asks other servers over connections that are kept. */
export class Fetcher {
  // So many requests of one peer at once; a slow one keeps no more sockets.
  readonly #plain = new http.Agent({ keepAlive: true, maxSockets: 8, maxFreeSockets: 2, timeout: 60_000 });
  readonly #authorities: string;
  #secure: Promise<https.Agent> | undefined;

  /** `authorities`: a PEM file of those that are believed; empty: those Node.js knows. */
  constructor(authorities = "") {
    this.#authorities = authorities;
  }

  async #secureAgent(): Promise<https.Agent> {
    const trust = await authoritiesIn(this.#authorities);
    return new https.Agent({ keepAlive: true, maxSockets: 8, maxFreeSockets: 2, timeout: 60_000, ...trust });
  }

  /** Throws when there is no answer in time, or a larger one. A redirect never leads from https to http; it takes what may be secret
   *  (Authorization) to no other host. */
  async fetch(url: URL, asked: Asked): Promise<Answered> {
    const limit = AbortSignal.timeout(asked.patience);
    const signal = asked.signal === undefined ? limit : AbortSignal.any([limit, asked.signal]);
    let at = url;
    let headers = (): Readonly<Record<string, string>> => asked.headers();
    for (let count = 0; ; count++) {
      const answer = await this.#again(at, { ...asked, headers }, signal);
      const { location } = answer.headers;
      if (!redirects.has(answer.status) || location === undefined) return answer;
      if (count >= mostRedirects) throw new Error(`${url.origin} redirects more than ${mostRedirects} times`);
      const next = new URL(location, at);
      if (!/^https?:$/.test(next.protocol) || (at.protocol === "https:" && next.protocol !== "https:"))
        throw new Error(`${at.origin} redirects to ${next.protocol}//${next.host}`);
      if (next.origin !== at.origin) {
        headers = () => {
          const { Authorization: _kept, ...others } = asked.headers();
          return others;
        };
      }
      at = next;
    }
  }

  /** A connection that was kept may be closed just when it is used: then a new one is. */
  async #again(url: URL, asked: Asked, signal: AbortSignal): Promise<Answered> {
    const isSecure = url.protocol === "https:";
    if (isSecure) this.#secure ??= this.#secureAgent();
    const secure = this.#secure;
    try {
      const agent = (isSecure ? await secure : undefined) ?? this.#plain;
      try {
        return await this.#once(url, asked, signal, agent);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
        return await this.#once(url, asked, signal, agent);
      }
    } catch (error) {
      if (!isSecure || !isCertificateProblem(error)) throw error;
      // The next try reads the authorities again: somebody may have mended them.
      if (this.#secure === secure) this.#secure = undefined;
      throw new Error(`the certificate of ${url.origin} is not believed: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  #once(
    url: URL,
    { method, headers, body, limit, patience }: Asked,
    signal: AbortSignal,
    agent: http.Agent | https.Agent,
  ): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const isSecure = url.protocol === "https:";
      const length = body === undefined ? {} : { "Content-Length": String(body.length) };
      const request = (isSecure ? https : http).request(
        url,
        { method, agent, headers: { ...headers(), ...length }, signal },
        (response) => {
          const parts: Buffer[] = [];
          let size = 0;
          response.on("data", (part: Buffer) => {
            size += part.length;
            if (size > limit) request.destroy(new Error(`the answer of ${url.origin} is larger than ${limit} bytes`));
            else parts.push(part);
          });
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts), url }),
          );
          response.on("error", reject);
          response.on("close", () => reject(new Error(`${url.origin} broke its answer off`)));
        },
      );
      request.on("error", (error: NodeJS.ErrnoException) => {
        if (signal.aborted) reject(new Error(`${url.origin} did not answer within ${patience / 1000} seconds`));
        else if (request.reusedSocket && error.code === "ECONNRESET") reject(new StaleConnection());
        else reject(error);
      });
      request.end(body);
    });
  }

  close(): void {
    this.#plain.destroy();
    this.#secure?.then((agent) => agent.destroy()).catch(() => undefined);
  }
}

class StaleConnection extends Error {}
