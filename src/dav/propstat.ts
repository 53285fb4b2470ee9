import { STATUS_CODES } from "node:http";
import type { Element, QName } from "../xml/element.ts";
import { escapeText, serialize, tagOf } from "../xml/write.ts";

const lines = new Map<number, string>();
/** `HTTP/1.1 404 Not Found` in its element. */
export function statusMarkup(status: number): string {
  let line = lines.get(status);
  if (line === undefined) {
    line = `<D:status>HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}</D:status>`;
    lines.set(status, line);
  }
  return line;
}

const details = (error: Element | undefined, description: string | undefined): string =>
  (error === undefined ? "" : `<D:error>${serialize(error)}</D:error>`) +
  (description === undefined ? "" : `<D:responsedescription>${escapeText(description)}</D:responsedescription>`);

/** A DAV:response about the resource as a whole (RFC 4918 §14.24). */
export const statusResponse = (href: string, status: number, error?: Element, description?: string): string =>
  `<D:response><D:href>${escapeText(href)}</D:href>${statusMarkup(status)}${details(error, description)}</D:response>\n`;

/** Properties of one status, for the answers to PROPPATCH, MKCALENDAR and extended MKCOL. */
export interface PropstatGroup {
  readonly status: number;
  readonly properties: readonly QName[];
  readonly error?: Element;
  readonly description?: string;
}

/** The DAV:propstat elements of the groups, empty groups left out. */
export function propstats(groups: readonly PropstatGroup[]): string {
  let text = "";
  for (const { status, properties, error, description } of groups) {
    if (properties.length === 0) continue;
    let names = "";
    for (const name of properties) names += tagOf(name).empty;
    text += `<D:propstat><D:prop>${names}</D:prop>${statusMarkup(status)}${details(error, description)}</D:propstat>`;
  }
  return text;
}

/** A DAV:response of property names by status. */
export const propstatResponse = (href: string, groups: readonly PropstatGroup[]): string =>
  `<D:response><D:href>${escapeText(href)}</D:href>${propstats(groups)}</D:response>\n`;
