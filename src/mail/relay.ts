import { createTransport, type Transporter } from "nodemailer";
import type SMTPPool from "nodemailer/lib/smtp-pool/index.js";
import type { OutgoingMail } from "./mail.ts";

export interface RelaySettings {
  readonly host: string;
  readonly port: number;
  /** TLS, from the beginning on port 465 and by STARTTLS on others; without it nothing else is tried. */
  readonly tls: boolean;
  readonly user: string;
  readonly password: string;
  /** Who we say we are (EHLO). */
  readonly name: string;
}

/** What the relay said for good. */
export type RelayAnswer =
  | { readonly taken: true; readonly said: string }
  | { readonly taken: false; readonly said: string };

/** How long it may take to connect, and to answer a command, ms. */
const connecting = 10_000;
const answering = 60_000;
/** Connections at once, for all lanes. */
const connections = 4;

/** The mail server that carries our mails to the world. */
export class Relay {
  readonly #transport: Transporter<SMTPPool.SentMessageInfo>;
  readonly #closed = new AbortController();

  constructor({ host, port, tls, user, password, name }: RelaySettings) {
    this.#transport = createTransport({
      pool: true,
      maxConnections: connections,
      host,
      port,
      secure: tls && port === 465,
      requireTLS: tls,
      ignoreTLS: !tls,
      ...(user === "" ? {} : { auth: { user, pass: password } }),
      name,
      connectionTimeout: connecting,
      greetingTimeout: connecting,
      socketTimeout: answering,
      // Nothing that people write names a file or a place in the net.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  /** Sends to one recipient. Throws when it may go well another time: no connection, no sign-in, a refusal that is not final. */
  async send(mail: OutgoingMail): Promise<RelayAnswer> {
    const { calendar } = mail;
    try {
      const sending = this.#transport.sendMail({
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
      if (said === undefined) throw error;
      return { taken: false, said };
    }
  }

  /** Breaks off what is under way. */
  close(): void {
    this.#closed.abort();
    this.#transport.close();
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
