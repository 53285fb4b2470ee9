import { createTransport, type Transporter } from "nodemailer";
import SMTPConnection from "nodemailer/lib/smtp-connection/index.js";
import type SMTPPool from "nodemailer/lib/smtp-pool/index.js";
import { authoritiesIn } from "../base/trust.ts";
import { connectionProblem, type ServerAddress } from "./connection.ts";
import { isAscii, type OutgoingMail } from "./mail.ts";

export interface RelaySettings extends ServerAddress {
  /** Who we say we are (EHLO). */
  readonly name: string;
}

/** What the relay said for good. */
export type RelayAnswer =
  | { readonly taken: true; readonly said: string }
  | { readonly taken: false; readonly said: string }
  /** Nobody can be written to at such an address by way of this relay. */
  | { readonly taken: false; readonly said: string; readonly isUnreachable: true };

/** How long it may take to connect, and to answer a command, ms. */
const connecting = 10_000;
const answering = 60_000;
/** Connections at once, for all lanes. */
const connections = 4;
/** How long it is believed what the relay can, ms. */
const capabilitiesKept = 600_000;

/** The mail server that carries our mails to the world. */
export class Relay {
  readonly #settings: RelaySettings;
  #transport: Promise<Transporter<SMTPPool.SentMessageInfo>> | undefined;
  #utf8: { readonly isTaken: boolean; readonly until: number } | undefined;
  readonly #closed = new AbortController();

  constructor(settings: RelaySettings) {
    this.#settings = settings;
  }

  async #open(): Promise<Transporter<SMTPPool.SentMessageInfo>> {
    const { user, password } = this.#settings;
    return createTransport({
      pool: true,
      maxConnections: connections,
      ...(await this.#connection()),
      // A server that offers no sign-in is told the name all the same: what it would refuse without is not refused for good.
      ...(user === "" ? {} : { auth: { user, pass: password }, forceAuth: true }),
      // Nothing that people write names a file or a place in the net.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async #connection() {
    const { host, port, tls, caFile, name } = this.#settings;
    return {
      host,
      port,
      secure: tls === "implicit",
      requireTLS: tls === "starttls",
      ignoreTLS: tls === "none",
      tls: { ...(await authoritiesIn(caFile)), minVersion: "TLSv1.2" },
      name,
      connectionTimeout: connecting,
      greetingTimeout: connecting,
      socketTimeout: answering,
    } as const;
  }

  /** Whether the relay takes addresses that are not ASCII (RFC 6531). nodemailer does not tell, and would send them all the same. */
  async #takesUtf8(): Promise<boolean> {
    const known = this.#utf8;
    if (known !== undefined && known.until > Date.now()) return known.isTaken;
    const connection = new SMTPConnection(await this.#connection());
    try {
      const greeted = new Promise<boolean>((resolve, reject) => {
        connection.once("error", reject);
        connection.once("end", () => reject(new Error("the mail server ended the connection")));
        connection.connect(() => resolve(/^250[ -]SMTPUTF8\b/im.test(connection.lastServerResponse || "")));
      });
      const isTaken = await unlessAborted(greeted, this.#closed.signal);
      this.#utf8 = { isTaken, until: Date.now() + capabilitiesKept };
      return isTaken;
    } finally {
      connection.on("error", () => undefined);
      connection.quit();
      connection.close();
    }
  }

  /** Sends to one recipient. Throws when it may go well another time: no connection, no sign-in, a refusal that is not final. */
  async send(mail: OutgoingMail): Promise<RelayAnswer> {
    const { calendar } = mail;
    this.#transport ??= this.#open();
    const opened = this.#transport;
    try {
      if (!isAscii(mail.to.address) && !(await this.#takesUtf8()))
        return {
          taken: false,
          said: `${this.#settings.host} takes no addresses beyond ASCII (SMTPUTF8)`,
          isUnreachable: true,
        };
      const sending = (await opened).sendMail({
        from: asAddress(mail.from),
        ...(mail.sender === mail.from.address ? {} : { sender: mail.sender }),
        replyTo: asAddress(mail.replyTo),
        to: asAddress(mail.to),
        envelope: { from: mail.returnPath, to: mail.to.address },
        messageId: `<${mail.messageId}>`,
        references: `<${mail.thread}>`,
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        icalEvent: { method: calendar.method, filename: "invitation.ics", content: calendar.text },
        // RFC 3834 §5: no holiday notices, please.
        headers: { "Auto-Submitted": "auto-generated", "Content-Language": mail.language },
        xMailer: false,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      const { response } = await unlessAborted(sending, this.#closed.signal);
      return { taken: true, said: response };
    } catch (error) {
      const said = finalRefusal(error);
      if (said !== undefined) return { taken: false, said };
      const problem = connectionProblem(error, this.#settings);
      // The next try reads the authorities again: somebody may have mended them.
      if (problem.isCertificate && this.#transport === opened) this.#forget();
      throw problem;
    }
  }

  #forget(): void {
    this.#transport?.then((transport) => transport.close()).catch(() => undefined);
    this.#transport = undefined;
  }

  /** Breaks off what is under way. */
  close(): void {
    this.#closed.abort();
    this.#forget();
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new Error("the server stops"));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

const asAddress = ({ name, address }: OutgoingMail["from"]): { name: string; address: string } => ({
  name: name ?? "",
  address,
});

/** What a relay said when it refused this mail for good: a 5xx to the recipient or to the text. One to MAIL, AUTH or STARTTLS is about
 *  how we are set up, and no mail is given up for that at once. */
function finalRefusal(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("responseCode" in error) || !("command" in error)) return undefined;
  const { responseCode: code, command } = error;
  if (typeof code !== "number" || code < 500 || (command !== "RCPT TO" && command !== "DATA")) return undefined;
  return "response" in error && typeof error.response === "string" ? error.response : error.message;
}
