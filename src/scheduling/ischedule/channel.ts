import { randomUUID } from "node:crypto";
import { normaliseAddress } from "../../model/principal.ts";
import { elements, localOf, textOf } from "../../xml/element.ts";
import { readXml } from "../../xml/read.ts";
import type { BusyAnswer, BusyQuestion, Channel, Delivery, Letter } from "../channels.ts";
import { unavailable } from "../channels.ts";
import { readAnswers } from "./answers.ts";
import { type Signer, sign } from "./dkim.ts";
import type { Peer } from "./domain-map.ts";
import type { Answered, Fetcher } from "./fetch.ts";
import { domainOf, type Peers } from "./peers.ts";

export interface IScheduleOptions {
  readonly peers: Peers;
  readonly fetcher: Fetcher;
  /** Undefined: nothing is signed. */
  readonly signer: Signer | undefined;
  /** Addresses that may be reached; none: all. Each fits from the start of an address. */
  readonly patterns: readonly RegExp[];
  readonly warn: (message: string, details?: Readonly<Record<string, unknown>>) => void;
}

const sendPatience = 30_000;
/** Bytes of an answer: the busy time of a hundred people. */
const answerLimit = 4_194_304;
const capabilitiesLimit = 262_144;
const capabilitiesPatience = 5_000;
const capabilitiesKept = 3_600_000;

/** Answers that say that there is no such service; another way may lead there. */
const noService: ReadonlySet<number> = new Set([404, 405, 410, 501]);
/** Answers that may be others another time. */
const notNow: ReadonlySet<number> = new Set([408, 425, 429]);

/** Invitations and questions to other servers (draft-desruisseaux-ischedule, and the signatures and capabilities of its later versions). A
 *  lane is a domain. */
export class IScheduleChannel implements Channel {
  readonly name = "ischedule";
  readonly batch = 100;
  readonly #options: IScheduleOptions;
  readonly #capable = new Map<string, { readonly until: number; readonly serial: string | undefined }>();

  constructor(options: IScheduleOptions) {
    this.#options = options;
  }

  reaches = async (address: string): Promise<boolean> => {
    const { peers, patterns, warn } = this.#options;
    const domain = domainOf(address);
    if (domain === undefined) return false;
    if (patterns.length > 0 && !patterns.some((pattern) => pattern.exec(address)?.index === 0)) return false;
    try {
      return (await peers.serversOf(domain)).length > 0;
    } catch (error) {
      warn("the server of a domain could not be found", { domain, error });
      return false;
    }
  };

  laneOf = (address: string): string => domainOf(address) ?? "";

  deliver = async (letter: Letter, to: readonly string[]): Promise<readonly Delivery[]> => {
    const { message, text, id } = letter;
    const refresh = message.says?.isRefresh === true ? { "X-CALENDARSERVER-ITIP-REFRESHONLY": "T" } : {};
    const asked = { originator: message.originator, to, text, id, headers: refresh };
    const answer = await this.#post(asked, sendPatience);
    if (answer === undefined || noService.has(answer.status))
      return to.map((recipient) => ({ recipient, again: "elsewhere", because: "no iSchedule there" }));
    if (answer.status >= 500 || notNow.has(answer.status))
      throw new Error(`${answer.url.origin} answers ${answer.status}`);
    if (answer.status !== 200) {
      const { warn } = this.#options;
      const said = answer.body.toString("utf8", 0, 500);
      warn("another server refuses a message", { url: answer.url.href, status: answer.status, said });
      return to.map((recipient) => ({ recipient, status: unavailable }));
    }
    const answers = readAnswers(answer.body);
    return to.map((recipient) => ({
      recipient,
      status: delivered(answers.get(normaliseAddress(recipient))?.status ?? unavailable),
    }));
  };

  askBusyTime = async (
    { originator, text }: BusyQuestion,
    to: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly BusyAnswer[]> => {
    const asked = { originator, to, text: text(to), id: randomUUID(), headers: {} };
    const answer = await this.#post(asked, sendPatience, signal);
    if (answer === undefined || answer.status !== 200)
      throw new Error(answer === undefined ? "no iSchedule there" : `${answer.url.origin} answers ${answer.status}`);
    const answers = readAnswers(answer.body);
    return to.flatMap((recipient) => {
      const told = answers.get(normaliseAddress(recipient));
      return told === undefined ? [] : [{ ...told, recipient }];
    });
  };

  /** Posts to the first server of the domain that can be reached. Undefined: there is none. Throws when none answers. */
  async #post(asked: Message, patience: number, signal?: AbortSignal): Promise<Answered | undefined> {
    const { peers, fetcher } = this.#options;
    const domain = domainOf(asked.to[0] ?? "") ?? "";
    let problem: unknown;
    for (const peer of await peers.serversOf(domain)) {
      try {
        const url = await this.#addressOf(peer);
        if (url === undefined) continue;
        const body = Buffer.from(asked.text);
        const headers = () => this.#headers(asked, peer, body);
        const limits = { patience, limit: answerLimit, signal };
        const answer = await fetcher.fetch(url, { method: "POST", headers, body, ...limits });
        const serial = answer.headers["ischedule-capabilities"];
        if (typeof serial === "string" && this.#capable.get(url.href)?.serial !== serial)
          this.#capable.delete(url.href);
        return answer;
      } catch (error) {
        problem = error;
        if (signal?.aborted) break;
      }
    }
    if (problem !== undefined) throw problem;
    return undefined;
  }

  #headers(
    { originator, to, id, headers: more }: Message,
    { authorization }: Peer,
    body: Buffer,
  ): Readonly<Record<string, string>> {
    const { signer } = this.#options;
    const domain = signer?.domain ?? domainOf(originator) ?? "localhost";
    const headers: Record<string, string> = {
      Originator: headerText(originator),
      Recipient: to.map(headerText).join(","),
      "iSchedule-Version": "1.0",
      "iSchedule-Message-ID": `${id}@${domain}`,
      "Content-Type": "text/calendar; charset=utf-8",
      "Cache-Control": "no-cache,no-transform",
      "User-Agent": "caldavd",
      ...more,
    };
    if (authorization !== undefined) headers["Authorization"] = authorization;
    if (signer !== undefined) {
      const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
      headers["DKIM-Signature"] = sign(lower, body, signer, Math.floor(Date.now() / 1000));
    }
    return headers;
  }

  /** Where a peer takes messages; one that the DNS names must tell its capabilities first: else it is some web server. Throws when it does
   *  not answer. */
  async #addressOf({ url, isWritten }: Peer): Promise<URL | undefined> {
    if (url === undefined || isWritten) return url;
    const known = this.#capable.get(url.href);
    if (known !== undefined && known.until > Date.now()) return url;
    const asked = new URL(url);
    asked.searchParams.set("action", "capabilities");
    const limits = { patience: capabilitiesPatience, limit: capabilitiesLimit };
    const answer = await this.#options.fetcher.fetch(asked, { method: "GET", headers: () => ({}), ...limits });
    if (answer.status >= 500) throw new Error(`${url.origin} answers ${answer.status}`);
    if (answer.status !== 200) return undefined;
    const root = readXml(answer.body);
    if (localOf(root.name) !== "query-result") return undefined;
    const [capabilities] = elements(root);
    const serial = capabilities && elements(capabilities).find(({ name }) => localOf(name) === "serial-number");
    if (this.#capable.size > 10_000) this.#capable.clear();
    this.#capable.set(url.href, {
      until: Date.now() + capabilitiesKept,
      serial: serial === undefined ? undefined : textOf(serial).trim(),
    });
    return url;
  }

  async close(): Promise<void> {
    this.#options.fetcher.close();
  }
}

interface Message {
  readonly originator: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An address as a header may hold it: nothing but ASCII, and no comma, which would make two of it. */
const headerText = (address: string): string => encodeURI(decodeSafe(address.trim())).replaceAll(",", "%2C");

function decodeSafe(text: string): string {
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
}

/** SCHEDULE-STATUS has 1.2 for what arrived; servers say 2.0 too. A peer that only will send it has sent it for us. */
const delivered = (status: string): string =>
  status.startsWith("2.") ? "1.2;Scheduling message has been delivered" : status.replace(/^1\.0\b/, "1.1");
