import { hostname } from "node:os";
import { join } from "node:path";
import { asciiDomain } from "../../base/domain.ts";
import type { Config } from "../../config/schema.ts";
import type { ServerAddress } from "../../mail/connection.ts";
import { isAscii, plainAddress } from "../../mail/mail.ts";
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
  if (address === undefined || !isAscii(address))
    throw wrong("Sending.Address", `must be the server's own mail address, found ${JSON.stringify(Sending.Address)}`);
  if (Sending.Server === "") throw wrong("Sending.Server", "must name the mail server that takes invitations");
  const language = languageOf(config.Localization.Language);
  if (language === undefined)
    throw new Error(
      `Localization.Language: must be English, German, French, Spanish or Japanese, found ${config.Localization.Language}`,
    );
  const name = config.ServerHostName === "" ? hostname() : config.ServerHostName;
  const domain = asciiDomain(CalDAV.EmailDomain).replace(/[^a-z0-9.-]/g, "");
  const tokens = tokensFile(config);
  const daysToLive = iMIP.InvitationDaysToLive;
  const settings: MailSettings = {
    relay: {
      host: Sending.Server,
      port: Sending.Port,
      tls: tlsOf("Sending", Sending, Sending.Port === 465),
      caFile: Sending.TLSCACertFile,
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

/** When TLS begins. `isImplicit`: on this port usually at once. Throws for a password that everybody could read. */
function tlsOf(
  section: "Sending" | "Receiving",
  {
    UseSSL,
    TLSMode,
    Username,
    PasswordInClear,
  }: Pick<Config["Scheduling"]["iMIP"]["Sending"], "UseSSL" | "TLSMode" | "Username" | "PasswordInClear">,
  isImplicit: boolean,
): ServerAddress["tls"] {
  if (UseSSL) return TLSMode === "auto" ? (isImplicit ? "implicit" : "starttls") : TLSMode;
  if (Username !== "" && !PasswordInClear)
    throw wrong(
      `${section}.UseSSL`,
      `without TLS the password of ${Username} could be read on the way; if it may be, set ${section}.PasswordInClear`,
    );
  return "none";
}

function receivingConfigured(
  receiving: Config["Scheduling"]["iMIP"]["Receiving"],
  name: string,
): Receiving | undefined {
  const { Type, Server, Port, PollingSeconds, Username, Password, TLSCACertFile } = receiving;
  if (Type === "") return undefined;
  if (Type === "pop")
    throw wrong(
      "Receiving.Type",
      "pop is not supported, since a mailbox read by POP cannot keep apart what was understood; use imap, or lmtp",
    );
  if (Type === "imap") {
    if (Server === "") throw wrong("Receiving.Server", "must name the mail server on which answers arrive");
    const tls = tlsOf("Receiving", receiving, Port !== 143);
    const port = Port !== 0 ? Port : tls === "implicit" ? 993 : 143;
    const settings = { host: Server, port, tls, caFile: TLSCACertFile, user: Username, password: Password };
    return { by: "polling", settings, seconds: PollingSeconds };
  }
  const port = Port !== 0 ? Port : Type === "lmtp" ? 2424 : 2525;
  return {
    by: "listening",
    settings: { protocol: Type, host: Server === "" ? "127.0.0.1" : Server, port, name },
  };
}
