import { ImapFlow } from "imapflow";
import { authoritiesIn } from "../base/trust.ts";
import { connectionProblem, type ServerAddress } from "./connection.ts";
import { maxMail } from "./mail.ts";

/** What is done with a mail that was looked at: removed, or left with a flag, so that it is not looked at again until somebody takes the
 *  flag away. */
export type Fate = "done" | "left";

/** Mails of one look. */
const most = 200;

/** Looks through the INBOX once: every mail without \Flagged is given to `take`, the oldest first. What `take` throws for is looked at
 *  again the next time. Throws when the mailbox cannot be used. */
export async function pollMailbox(
  settings: ServerAddress,
  take: (bytes: Uint8Array) => Promise<Fate>,
  warn: (message: string, details?: Readonly<Record<string, unknown>>) => void,
): Promise<void> {
  const { host, port, tls, caFile, user, password } = settings;
  const client = new ImapFlow({
    host,
    port,
    secure: tls === "implicit",
    doSTARTTLS: tls === "implicit" ? undefined : tls === "starttls",
    tls: { ...(await authoritiesIn(caFile)), minVersion: "TLSv1.2" },
    auth: { user, pass: password },
    logger: false,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 60_000,
  });
  // Each failure also comes out of the call that met it.
  client.on("error", () => undefined);
  try {
    await client.connect().catch((error: unknown) => {
      throw connectionProblem(error, settings);
    });
    const lock = await client.getMailboxLock("INBOX");
    try {
      const found = await client.search({ flagged: false, deleted: false }, { uid: true });
      const uids = (found === false || found === undefined ? [] : found).slice(0, most);
      for (const uid of uids) await lookAt(client, uid, take, warn);
    } finally {
      lock.release();
    }
    await client.logout();
  } finally {
    client.close();
  }
}

async function lookAt(
  client: ImapFlow,
  uid: number,
  take: (bytes: Uint8Array) => Promise<Fate>,
  warn: (message: string, details?: Readonly<Record<string, unknown>>) => void,
): Promise<void> {
  const leave = (): Promise<unknown> => client.messageFlagsAdd([uid], ["\\Flagged"], { uid: true });
  const facts = await client.fetchOne(String(uid), { size: true }, { uid: true });
  if (facts === false || facts === undefined) return;
  if ((facts.size ?? 0) > maxMail) {
    warn("a mail is too long to be looked at; it is left in the mailbox, flagged", { bytes: facts.size });
    await leave();
    return;
  }
  const whole = await client.fetchOne(String(uid), { source: true }, { uid: true });
  if (whole === false || whole?.source === undefined) return;
  let fate: Fate;
  try {
    fate = await take(whole.source);
  } catch (error) {
    warn("a mail could not be taken; it is looked at again later", { error });
    return;
  }
  // By UID, so that nothing else goes with it.
  if (fate === "done") await client.messageDelete([uid], { uid: true });
  else await leave();
}
