import { asciiDomain } from "../../base/domain.ts";
/** A server to which messages for some domains go. */
export interface Peer {
  /** Where messages are posted; undefined: messages only come from there. */
  readonly url: URL | undefined;
  /** Basic authentication, as the header has it. */
  readonly authorization?: string;
  /** Addresses and host names from which it sends; those of its URL are meant too. */
  readonly hosts: readonly string[];
  /** Whether it is trusted by its address, without signatures. */
  readonly isTrusted: boolean;
  /** Whether the URL was written down by the administrator: it is taken as it is, and asked for nothing else. */
  readonly isWritten: boolean;
}

/** Peers by domain, lower case; "*": all others; "*.example.com": those below it. */
export type Domains = ReadonlyMap<string, Peer>;

const most = 10_000;

/** Reads a domain map, a properties file of Java: `domain=URL`, comments with # or !, `=`, `:` or a space between key and value,
 *  backslashes before what would end a key, lines that go on after a backslash. Throws Error with the line. */
export function readDomainMap(text: string): Domains {
  const domains = new Map<string, Peer>();
  for (const { line, number } of logicalLines(text)) {
    const { key, value } = splitProperty(line);
    const domain = asciiDomain(key.replace(/\.$/, ""));
    const problem = (what: string): Error => new Error(`line ${number}: ${what}`);
    if (domain !== "*" && !/^(\*\.)?[^\s@/*]+$/.test(domain)) throw problem(`${JSON.stringify(key)} is no domain`);
    if (domains.size >= most) throw problem(`more than ${most} domains`);
    const url = URL.canParse(value.trim()) ? new URL(value.trim()) : undefined;
    if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
      throw problem(`${JSON.stringify(value.slice(0, 100))} is no http or https address`);
    domains.set(domain, peerAt(url));
  }
  return domains;
}

/** A peer that is written down by its URL. Credentials in the URL are its Basic authentication. */
export function peerAt(address: URL, more: Partial<Peer> = {}): Peer {
  const url = new URL(address);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  const authorization =
    username === "" ? {} : { authorization: basic(decodeURIComponent(username), decodeURIComponent(password)) };
  return { url, hosts: [], isTrusted: true, isWritten: true, ...authorization, ...more };
}

export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

/** Whom messages for a domain go to. The longest name that fits. */
export function peerFor(domain: string, domains: Domains): Peer | undefined {
  const own = domains.get(domain);
  if (own !== undefined) return own;
  for (let at = domain.indexOf("."); at >= 0; at = domain.indexOf(".", at + 1)) {
    const below = domains.get(`*${domain.slice(at)}`);
    if (below !== undefined) return below;
  }
  return domains.get("*");
}

function* logicalLines(text: string): Generator<{ readonly line: string; readonly number: number }> {
  const lines = text.split(/\r\n|\r|\n/);
  for (let index = 0; index < lines.length; index++) {
    let line = lines[index]?.trimStart() ?? "";
    const number = index + 1;
    if (line === "" || line.startsWith("#") || line.startsWith("!")) continue;
    while (/(^|[^\\])(\\\\)*\\$/.test(line) && index + 1 < lines.length)
      line = line.slice(0, -1) + (lines[++index]?.trimStart() ?? "");
    yield { line, number };
  }
}

function splitProperty(line: string): { readonly key: string; readonly value: string } {
  let end = 0;
  while (end < line.length && !/[=:\s]/.test(line[end] ?? "")) end += line[end] === "\\" ? 2 : 1;
  const rest = line.slice(end).replace(/^\s*[=:]?\s*/, "");
  return { key: unescaped(line.slice(0, end)), value: unescaped(rest) };
}

const letters: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };
const unescaped = (text: string): string =>
  text.replace(/\\(?:u([\da-fA-F]{4})|([\s\S]))/g, (_all, code: string | undefined, one: string | undefined) =>
    code === undefined ? (letters[one ?? ""] ?? one ?? "") : String.fromCharCode(Number.parseInt(code, 16)),
  );
