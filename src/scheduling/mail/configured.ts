import { hostname } from "node:os";
import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import { plainAddress } from "../../mail/mail.ts";
import type { MailSettings } from "./gateway.ts";
import { languageOf } from "./languages.ts";
import type { Receiving, RoomSettings } from "./room.ts";

/** The file of the reply tokens, where the original had it. */
export const tokensFile = ({ DataRoot }: Pick<Config, "DataRoot">): string =>
  join(DataRoot, "mailgatewaytokens.sqlite");

const anchored = (patterns: readonly string[]): readonly RegExp[] =>
  patterns.map((pattern) => new RegExp(`^(?:${pattern})`));

const wrong = (key: string, problem: string): Error => new Error(`Scheduling.iMIP.${key}: ${problem}`);

/** What the property list says about invitations by mail; undefined when they are off. Throws an Error with a sentence for what
 *  cannot work. */
export function mailConfigured(
  config: Config,
): { readonly settings: MailSettings; readonly room: RoomSettings | undefined } | undefined {
  const { CalDAV, iMIP } = config.Scheduling;
  if (!iMIP.Enabled) return undefined;
  const { Sending } = iMIP;
  const address = plainAddress(Sending.Address);
  if (address === undefined)
    throw wrong("Sending.Address", `must be the server's own mail address, found ${JSON.stringify(Sending.Address)}`);
  if (Sending.Server === "") throw wrong("Sending.Server", "must name the mail server that takes invitations");
  const language = languageOf(config.Localization.Language);
  if (language === undefined)
    throw new Error(
      `Localization.Language: must be English, German, French, Spanish or Japanese, found ${config.Localization.Language}`,
    );
  const name = config.ServerHostName === "" ? hostname() : config.ServerHostName;
  const domain = CalDAV.EmailDomain.toLowerCase().replace(/[^a-z0-9.-]/g, "");
  const tokens = tokensFile(config);
  const daysToLive = iMIP.InvitationDaysToLive;
  const settings: MailSettings = {
    relay: {
      host: Sending.Server,
      port: Sending.Port,
      tls: Sending.UseSSL,
      user: Sending.Username,
      password: Sending.Password,
      name,
    },
    address,
    patterns: anchored(iMIP.AddressPatterns),
    ours: [
      ...anchored(CalDAV.AddressPatterns),
      ...(domain === "" ? [] : [new RegExp(`@${domain.replaceAll(".", "\\.")}$`)]),
    ],
    language,
    daysToLive,
    tokens,
  };
  const receiving = receivingConfigured(iMIP.Receiving, name);
  return {
    settings,
    room: receiving && { address, tokens, daysToLive, receiving, anySender: !iMIP.Receiving.RequireSender },
  };
}

function receivingConfigured(
  { Type, Server, Port, UseSSL, PollingSeconds, Username, Password }: Config["Scheduling"]["iMIP"]["Receiving"],
  name: string,
): Receiving | undefined {
  if (Type === "") return undefined;
  if (Type === "pop")
    throw wrong(
      "Receiving.Type",
      "pop is not supported, since a mailbox read by POP cannot keep apart what was understood; use imap, or lmtp",
    );
  if (Type === "imap") {
    if (Server === "") throw wrong("Receiving.Server", "must name the mail server on which answers arrive");
    const settings = { host: Server, port: Port, tls: UseSSL, user: Username, password: Password };
    return { by: "polling", settings, seconds: PollingSeconds };
  }
  const port = Port !== 0 ? Port : Type === "lmtp" ? 2424 : 2525;
  return {
    by: "listening",
    settings: { protocol: Type, host: Server === "" ? "127.0.0.1" : Server, port, name },
  };
}
