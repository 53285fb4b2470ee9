import type { AddressInfo } from "node:net";
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from "smtp-server";
import { maxMail, plainAddress } from "./mail.ts";

export interface ListenSettings {
  /** LMTP answers for each recipient (RFC 2033), SMTP for all together. */
  readonly protocol: "lmtp" | "smtp";
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  readonly name: string;
}

/** What became of a mail for one recipient. Refused for good, or not now: the mail server keeps it then. */
export type Verdict =
  | { readonly taken: true }
  | { readonly taken: false; readonly code: 451 | 550 | 552; readonly because: string };

/** Who takes mails. Both throw for what may go well another time. */
export interface Receiver {
  /** Why nothing is taken for an address; undefined: it is. */
  refuses(recipient: string): Promise<string | undefined>;
  /** `isReport`: the envelope has no sender, so a refusal would reach nobody. */
  take(bytes: Uint8Array, recipients: readonly string[], isReport: boolean): Promise<ReadonlyMap<string, Verdict>>;
}

export interface MailListener {
  readonly port: number;
  /** Takes no new connections, and waits a moment for those that are there. */
  close(): Promise<void>;
}

/** Recipients of one mail. */
const maxRecipients = 100;
const later = "the calendar server cannot take this now";

/** Listens for a mail server that hands mails over. It is the one to keep spam and strangers out: whoever can connect is heard. What was
 *  answered with 250 is done and durable. */
export async function listenForMail(
  { protocol, host, port, name }: ListenSettings,
  receiver: Receiver,
  warn: (message: string, details?: Readonly<Record<string, unknown>>) => void,
): Promise<MailListener> {
  const server = new SMTPServer({
    lmtp: protocol === "lmtp",
    name,
    banner: "calendar",
    size: maxMail,
    authOptional: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    disableReverseLookup: true,
    logger: false,
    maxClients: 50,
    socketTimeout: 60_000,
    closeTimeout: 5_000,
    onRcptTo: ({ address }, session, callback) => {
      if (session.envelope.rcptTo.length >= maxRecipients) {
        callback(problem(452, `at most ${maxRecipients} recipients`));
        return;
      }
      receiver.refuses(address.toLowerCase()).then(
        (because) => callback(because === undefined ? null : problem(550, because)),
        (error: unknown) => {
          warn("a recipient of mail cannot be looked up", { error });
          callback(problem(451, later));
        },
      );
    },
    onData: (stream, session, callback) => {
      taken(stream, session, receiver).then(
        (verdicts) => {
          const answers = verdicts.map((verdict) => (verdict.taken ? "taken" : problem(verdict.code, verdict.because)));
          if (protocol === "lmtp") {
            // One answer for each recipient; the types know of one only.
            (callback as (error: null, answers: readonly (string | Error)[]) => void)(null, answers);
            return;
          }
          const [worst] = answers.filter((answer) => answer instanceof Error);
          callback(
            answers.length > 0 && answers.every((answer) => answer instanceof Error) ? (worst ?? null) : null,
            "taken",
          );
        },
        (error: unknown) => {
          warn("a mail could not be taken; the mail server keeps it", { error });
          callback(problem(451, later));
        },
      );
    },
  });
  server.on("error", (error: unknown) => warn("a connection of a mail server failed", { error }));
  await new Promise<void>((resolve, reject) => {
    server.server.once("error", reject);
    // Exclusive: node:cluster would share the port with workers that do not listen.
    server.server.listen({ port, host, exclusive: true }, () => {
      server.server.removeListener("error", reject);
      resolve();
    });
  });
  const address = server.server.address() as AddressInfo;
  return {
    port: address.port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

const problem = (responseCode: number, message: string): Error => Object.assign(new Error(message), { responseCode });

async function taken(
  stream: SMTPServerDataStream,
  { envelope }: SMTPServerSession,
  receiver: Receiver,
): Promise<readonly Verdict[]> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Read to its end all the same: an answer is due after the final dot only.
    if (size <= maxMail) chunks.push(chunk);
  }
  const isReport = envelope.mailFrom === false || envelope.mailFrom.address === "";
  const recipients = envelope.rcptTo.map(({ address }) => plainAddress(address) ?? address.toLowerCase());
  if (size > maxMail || stream.sizeExceeded) {
    const because = `at most ${maxMail} bytes`;
    return recipients.map(() => ({ taken: false, code: 552, because }));
  }
  const verdicts = await receiver.take(Buffer.concat(chunks), recipients, isReport);
  return recipients.map((one) => verdicts.get(one) ?? { taken: false, code: 451, because: later });
}
