import { home } from "../dav/sharing-words.ts";
import { adminOf } from "./caladmin.ts";
import { Client } from "./http-client.ts";
import { type MailSink, type SinkOptions, startMailSink } from "./mail-sink.ts";
import { listens, mailSettings, textWith } from "./mail-words.ts";
import { freePort, type Server, startServer } from "./server.ts";

/** A server that sends its mails into a sink and takes mails by LMTP, with user01 at it. */
export interface MailDesk {
  readonly sink: MailSink;
  readonly server: Server;
  readonly client: Client;
  /** The port of LMTP. */
  readonly lmtp: number;
  /** Stores an event of user01's. */
  put(name: string, body: string): Promise<unknown>;
  /** Its text, once the pattern fits. */
  copy(name: string, pattern: RegExp): Promise<string>;
  /** What `caladmin mail why` says of it, as CSV. */
  why(uid: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startMailDesk(options?: SinkOptions): Promise<MailDesk> {
  const sink = await startMailSink(options);
  const lmtp = await freePort();
  const server = await startServer({ settings: mailSettings(sink.port, lmtp) });
  const client = new Client(server, "user01");
  await listens(lmtp);
  const place = (name: string): string => `${home("user01")}calendar/${name}.ics`;
  const headers = { "content-type": "text/calendar; charset=utf-8" };
  return {
    sink,
    server,
    client,
    lmtp,
    put: (name, body) => client.expect([201, 204], "PUT", place(name), { headers, body }),
    copy: (name, pattern) => textWith(client, place(name), pattern),
    why: async (uid) =>
      (await adminOf(server, { "Scheduling.iMIP.Enabled": "False" })(["-f", "csv", "mail", "why", uid])).out,
    stop: async () => {
      client.close();
      await server.stop();
      await sink.stop();
    },
  };
}
