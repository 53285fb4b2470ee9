import { connect } from "node:net";
import { createTransport } from "nodemailer";
import type { Client } from "./http-client.ts";
import { until } from "./server.ts";

/** Settings of a test server that sends to `sending` and listens on `lmtp`. */
export const mailSettings = (sending: number, lmtp?: number): Readonly<Record<string, string | number | boolean>> => ({
  "Scheduling/iMIP/Enabled": true,
  "Scheduling/iMIP/Sending/Server": "127.0.0.1",
  "Scheduling/iMIP/Sending/Port": sending,
  "Scheduling/iMIP/Sending/UseSSL": false,
  "Scheduling/iMIP/Sending/Address": gateway,
  ...(lmtp === undefined ? {} : { "Scheduling/iMIP/Receiving/Type": "lmtp", "Scheduling/iMIP/Receiving/Port": lmtp }),
});

export const gateway = "calendar@example.com";

/** An hour ten years from now on. */
export const meeting = (
  uid: string,
  organizer: string,
  attendees: readonly string[],
  ...more: readonly string[]
): string =>
  [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//test//EN",
    "BEGIN:VEVENT",
    `UID:${uid}`,
    "DTSTAMP:20261101T080000Z",
    ...(more.some((line) => line.startsWith("DTSTART")) ? [] : ["DTSTART:20361103T100000Z", "DTEND:20361103T110000Z"]),
    `ORGANIZER:mailto:${organizer}`,
    `ATTENDEE;PARTSTAT=ACCEPTED:mailto:${organizer}`,
    ...attendees.map((address) =>
      address.includes(":") ? address : `ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:${address}`,
    ),
    ...(more.some((line) => line.startsWith("SUMMARY")) ? [] : [`SUMMARY:Meeting ${uid}`]),
    ...more,
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].join("\r\n");

/** A calendar program's answer to an invitation as it was mailed. */
export const answerTo = (invitation: string, address: string, partstat: string): string =>
  invitation
    .replace("METHOD:REQUEST", "METHOD:REPLY")
    .split("\r\n")
    .filter((line) => !line.startsWith("ATTENDEE") || line.toLowerCase().endsWith(`:mailto:${address}`))
    .map((line) => (line.startsWith("ATTENDEE") ? `ATTENDEE;PARTSTAT=${partstat}:mailto:${address}` : line))
    .join("\r\n");

export interface PostedMail {
  readonly port: number;
  /** Over LMTP; SMTP otherwise. */
  readonly lmtp?: boolean;
  readonly from: string;
  readonly to: string;
  /** Of the envelope. Default: `from`. */
  readonly sender?: string;
  readonly subject?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly messageId?: string;
  readonly calendar?: { readonly method: string; readonly text: string };
  /** Instead of all that: the mail as it is. */
  readonly raw?: string;
}

/** Hands a mail over. Answers what the server said; rejects with its refusal. */
export async function postMail(mail: PostedMail): Promise<string> {
  const { port, lmtp = false, from, to, sender = from, calendar, raw, subject = "An answer", headers = {} } = mail;
  const transport = createTransport({ host: "127.0.0.1", port, lmtp, ignoreTLS: true } as Parameters<
    typeof createTransport
  >[0]);
  try {
    const sent = await transport.sendMail({
      envelope: { from: sender, to },
      ...(raw === undefined
        ? {
            from,
            to,
            subject,
            headers,
            text: "Words.",
            ...(mail.messageId === undefined ? {} : { messageId: mail.messageId }),
            ...(calendar === undefined ? {} : { icalEvent: { method: calendar.method, content: calendar.text } }),
          }
        : { raw }),
    });
    const { response = "", rejectedErrors = [] } = sent as {
      readonly response?: string;
      readonly rejectedErrors?: readonly Error[];
    };
    // Over LMTP each recipient has an answer of his own.
    if (rejectedErrors[0] !== undefined) throw rejectedErrors[0];
    return response;
  } finally {
    transport.close();
  }
}

/** A member's text, unfolded, once `pattern` is in it. */
export const textWith = (client: Client, path: string, pattern: RegExp, milliseconds = 10_000): Promise<string> =>
  until(
    `${pattern} in ${path}`,
    async () => {
      const { text } = await client.expect(200, "GET", path);
      const unfolded = text.replaceAll("\r\n ", "");
      return pattern.test(unfolded) && unfolded;
    },
    milliseconds,
  );

/** Waits until somebody listens on a port. */
export const listens = (port: number): Promise<unknown> =>
  until(
    `a listener on ${port}`,
    () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, "127.0.0.1");
        const settle = (isOpen: boolean): void => {
          socket.destroy();
          resolve(isOpen);
        };
        socket.once("connect", () => settle(true)).once("error", () => settle(false));
      }),
  );
