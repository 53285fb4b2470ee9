import type { Href } from "../../model/ids.ts";
import type { DavSettings } from "../registry.ts";

/** Where published calendars are read: `/published/<token>.ics`, by the door of that name. */
export const publishedPlace = "published";

/** With the ending by which calendar programs know what it is. */
export const publishedHref = (token: string): Href => `/${publishedPlace}/${token}.ics` as Href;

/** An address for other programs than the one that asks, so with scheme and host. */
export function absoluteUrl(path: Href, { serverHostName, httpPort, sslPort }: DavSettings): string {
  const [scheme, port, usual] = sslPort === 0 ? ["http", httpPort, 80] : ["https", sslPort, 443];
  return `${scheme}://${serverHostName}${port === usual || port === 0 ? "" : `:${port}`}${path}`;
}
