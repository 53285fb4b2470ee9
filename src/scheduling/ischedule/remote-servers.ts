import { asciiDomain } from "../../base/domain.ts";
import { childrenNamed, type Element, elements, localOf, textOf } from "../../xml/element.ts";
import { readXmlLines } from "../../xml/read.ts";
import { basic, type Domains, type Peer, peerAt } from "./domain-map.ts";

/** Reads the original's list of servers: `servers` › `server` › `uri`, `authentication`, `allow-requests-from`, `allow-requests-to`,
 *  `domains`, `hosts`. `allow-requests-to` says nothing: leaving it out never forbade anything. Throws Error with the line. */
export function readRemoteServers(bytes: Uint8Array): Domains {
  const { root, lineOf } = readXmlLines(bytes, { doctype: "skip" });
  if (localOf(root.name) !== "servers") throw new Error(`the root element is servers, found ${localOf(root.name)}`);
  const domains = new Map<string, Peer>();
  for (const [index, server] of elements(root).entries()) {
    const named = (name: string): Element | undefined => elements(server).find((one) => localOf(one.name) === name);
    const uri = textOf(named("uri") ?? "").trim();
    if (!URL.canParse(uri) || !/^https?:/.test(uri))
      throw new Error(`line ${lineOf(server)}: the uri of a server is an http or https address`);
    const sign = named("authentication");
    const of = (name: string): string =>
      textOf((sign && elements(sign).find((one) => localOf(one.name) === name)) ?? "").trim();
    const isTrusted = named("allow-requests-from") !== undefined;
    const peer = peerAt(new URL(uri), {
      isTrusted,
      hosts: list(named("hosts"), "{}host"),
      ...(sign === undefined ? {} : { authorization: basic(of("user"), of("password")) }),
    });
    const served = list(named("domains"), "{}domain");
    for (const domain of served) domains.set(asciiDomain(domain), peer);
    // Trusted, though nothing goes there.
    if (served.length === 0) domains.set(` ${index}`, peer);
  }
  return domains;
}

const list = (parent: Element | undefined, name: "{}host" | "{}domain"): readonly string[] =>
  parent === undefined
    ? []
    : childrenNamed(parent, name)
        .map((one) => textOf(one).trim())
        .filter((text) => text !== "");
