import { SMTPServer } from "smtp-server";
import { readMail } from "../../src/mail/read.ts";
import { until } from "./server.ts";

/** A mail as a mail server took it. */
export interface SunkMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly source: string;
  /** Its headers, unfolded. */
  readonly head: string;
}

/** A mail server that keeps what it gets. */
export interface MailSink {
  readonly port: number;
  readonly mails: readonly SunkMail[];
  /** Waits until there are so many to an address, and answers them. */
  to(address: string, count?: number): Promise<readonly SunkMail[]>;
  stop(): Promise<void>;
}

export interface SinkOptions {
  readonly port?: number;
  /** The answer to a recipient: a number with a text; undefined: welcome. */
  readonly refuses?: (recipient: string) => readonly [number, string] | undefined;
  /** Whether mails are kept without an answer. */
  readonly isSilent?: () => boolean;
  /** Whether it offers SMTPUTF8. Default true. */
  readonly takesUtf8?: boolean;
}

export async function startMailSink({
  port = 0,
  refuses,
  isSilent,
  takesUtf8 = true,
}: SinkOptions = {}): Promise<MailSink> {
  const mails: SunkMail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    hideSMTPUTF8: !takesUtf8,
    disabledCommands: ["AUTH", "STARTTLS"],
    disableReverseLookup: true,
    // Connections whose other end is gone hold up no test.
    closeTimeout: 100,
    onRcptTo: ({ address }, _session, callback) => {
      const refused = refuses?.(address);
      callback(refused === undefined ? null : Object.assign(new Error(refused[1]), { responseCode: refused[0] }));
    },
    onData: (stream, { envelope }, callback) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const source = Buffer.concat(chunks).toString();
        mails.push({
          from: envelope.mailFrom === false ? "" : envelope.mailFrom.address,
          to: envelope.rcptTo.map(({ address }) => address),
          source,
          head: source.slice(0, source.indexOf("\r\n\r\n")).replace(/\r\n[ \t]+/g, " "),
        });
        if (isSilent?.() !== true) callback(null);
      });
    },
  });
  server.on("error", () => undefined);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
  const address = server.server.address();
  const mailsTo = (one: string): readonly SunkMail[] => mails.filter(({ to }) => to.includes(one));
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    mails,
    to: async (one, count = 1) => {
      await until(`${count} mails to ${one}`, () => mailsTo(one).length >= count);
      return mailsTo(one);
    },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The calendar in a mail, unfolded. */
export async function calendarIn({ source }: Pick<SunkMail, "source">): Promise<string> {
  const { calendars } = await readMail(Buffer.from(source));
  return (calendars[0] ?? "").replace(/\r?\n /g, "").replace(/\r?\n/g, "\r\n");
}
