import type { Principal } from "../model/principal.ts";
import type { DavSettings } from "./registry.ts";

/** The other server that has a principal's calendars, as the beginning of URLs ("https://host:port"); undefined: this server has them, nobody, or
 *  one whose name the record does not say. Ports are taken to be those of this server, unless the record names one. */
export function serverElsewhere(
  { hosting }: Pick<Principal, "hosting">,
  { httpPort, sslPort }: Pick<DavSettings, "httpPort" | "sslPort">,
): string | undefined {
  if (hosting === undefined || hosting.local || !hosting.enabled || hosting.server === undefined) return undefined;
  const { server } = hosting;
  if (!isHost.test(server)) return undefined;
  const [scheme, port, usual] = sslPort > 0 ? ["https", sslPort, 443] : ["http", httpPort, 80];
  return `${scheme}://${server}${port === usual || port === 0 || hasPort.test(server) ? "" : `:${port}`}`;
}

/** A name or an address; what else somebody wrote into a record is not sent to clients as a place. */
const isHost = /^(?:[\w.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;
const hasPort = /(?:^[^:[]+|\]):\d+$/;
