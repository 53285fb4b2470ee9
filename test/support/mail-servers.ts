import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { access, chmod, chown, copyFile, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ImapFlow } from "imapflow";
import type { CertificateFiles } from "./certificates.ts";
import { listens } from "./mail-words.ts";
import { freePort, until } from "./server.ts";

const run = promisify(execFile);
const exim = "/usr/sbin/exim4";
const dovecot = "/usr/sbin/dovecot";

/** A sentence why tests with real mail servers are skipped; false when they are here. */
export const withoutMailServers: string | false =
  process.getuid?.() !== 0
    ? "exim and dovecot want to be started by root"
    : await Promise.all(
        [exim, dovecot, "/usr/lib/dovecot/lmtp", "/usr/lib/dovecot/imap"].map((path) => access(path)),
      ).then(
        () => false as const,
        () => "exim4-daemon-light, dovecot-imapd and dovecot-lmtpd are not installed",
      );

/** Mailboxes of everybody have this password. */
export const mailPassword = "open-sesame";

/** exim and dovecot on loopback: mail for `elsewhere.example` and `example.com` lies in mailboxes, that for `calendar+…@example.com` goes to
 *  the calendar server's LMTP port if there is one, and that for `nowhere.example` is taken and then returned. */
export interface MailServers {
  readonly smtp: number;
  readonly imap: number;
  /** TLS from the beginning; 0: nobody listens. */
  readonly smtps: number;
  readonly imaps: number;
  /** What both have written into their logs. */
  logs(): Promise<string>;
  /** Texts of the mails in somebody's INBOX, in their order. */
  inbox(address: string): Promise<readonly string[]>;
  /** Waits for so many of them. */
  mails(address: string, count: number): Promise<readonly string[]>;
  /** Ends exim; the mailboxes stay. */
  stopSmtp(): Promise<void>;
  startSmtp(): Promise<void>;
  stop(): Promise<void>;
}

/** What a mail server demands of those who send to people elsewhere, and of those who read. */
export interface Demands {
  /** Its certificate. */
  readonly certificate: CertificateFiles;
  /** The one way of signing in. */
  readonly mechanism: "PLAIN" | "LOGIN";
  readonly user: string;
}

// A test that fails leaves nothing behind.
const leftOver = new Set<() => void>();
process.once("exit", () => {
  for (const end of leftOver) end();
});

/** The user and group ids of a system account. */
async function account(name: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const { stdout } = await run("getent", ["passwd", name]);
  const [, , uid, gid] = stdout.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

/** `demands`: TLS is offered on all ports, mail to people elsewhere is taken from who has signed in only (which nobody can without
 *  TLS), and so are questions for mailboxes. */
export async function startMailServers(lmtp: number | undefined, demands?: Demands): Promise<MailServers> {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-mail-"));
  // The servers are not root when they deliver.
  await chmod(folder, 0o755);
  const [smtp, imap, delivery] = [await freePort(), await freePort(), await freePort()];
  const [smtps, imaps] = demands === undefined ? [0, 0] : [await freePort(), await freePort()];
  const postman = await account("Debian-exim");
  const owner = await account("mail");
  for (const name of ["spool", "log", "mail", "run"]) await mkdir(join(folder, name));
  for (const name of ["spool", "log"]) await chown(join(folder, name), postman.uid, postman.gid);
  await chown(join(folder, "mail"), owner.uid, owner.gid);
  if (demands !== undefined) {
    await copyFile(demands.certificate.cert, join(folder, "cert.pem"));
    await copyFile(demands.certificate.key, join(folder, "key.pem"));
    // Not the postman's: exim reads it after it has become him.
    await chmod(join(folder, "key.pem"), 0o644);
  }
  const eximText = eximConfiguration(folder, { smtp, smtps, delivery, lmtp }, demands);
  await writeFile(join(folder, "exim.conf"), eximText, { mode: 0o644 });
  const dovecotText = dovecotConfiguration(folder, { imap, imaps, delivery }, owner);
  await writeFile(join(folder, "dovecot.conf"), dovecotText, { mode: 0o644 });

  const running = new Map<string, ChildProcess>();
  const start = async (program: string, args: readonly string[], port: number): Promise<void> => {
    const child = spawn(program, args, { stdio: "ignore" });
    running.set(program, child);
    await listens(port);
  };
  const end = async (program: string): Promise<void> => {
    const child = running.get(program);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  const remove = (): void => {
    for (const child of running.values()) child.kill("SIGTERM");
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  leftOver.add(remove);
  const startSmtp = (): Promise<void> => start(exim, ["-C", join(folder, "exim.conf"), "-bdf", "-q1s"], smtp);
  const logs = async (): Promise<string> =>
    (
      await Promise.all(
        ["log/mainlog", "log/paniclog", "dovecot.log"].map((name) =>
          readFile(join(folder, name), "utf8").catch(() => ""),
        ),
      )
    ).join("\n");
  try {
    await start(dovecot, ["-F", "-c", join(folder, "dovecot.conf")], imap);
    await listens(delivery);
    await startSmtp();
  } catch (error) {
    throw new Error(`the mail servers do not start: ${await logs()}`, { cause: error });
  }
  const inbox = (address: string): Promise<readonly string[]> => textsIn(imap, address);
  return {
    smtp,
    imap,
    smtps,
    imaps,
    logs,
    inbox,
    mails: (address, count) =>
      until(
        `${count} mails for ${address}`,
        async () => {
          const found = await inbox(address);
          return found.length >= count && found;
        },
        20_000,
      ).catch(async (error: unknown) => {
        throw new Error(`${String(error)}: ${await logs()}`);
      }),
    stopSmtp: () => end(exim),
    startSmtp,
    stop: async () => {
      await end(exim);
      await end(dovecot);
      leftOver.delete(remove);
      remove();
    },
  };
}

async function textsIn(port: number, address: string): Promise<readonly string[]> {
  const client = new ImapFlow({
    host: "127.0.0.1",
    port,
    secure: false,
    doSTARTTLS: false,
    auth: { user: address, pass: mailPassword },
    logger: false,
  });
  await client.connect();
  try {
    const { exists } = await client.mailboxOpen("INBOX");
    if (exists === 0) return [];
    const texts: string[] = [];
    for await (const { source } of client.fetch("1:*", { source: true })) texts.push(source?.toString() ?? "");
    return texts;
  } finally {
    await client.logout();
  }
}

interface EximPorts {
  readonly smtp: number;
  readonly smtps: number;
  readonly delivery: number;
  readonly lmtp: number | undefined;
}

const eximConfiguration = (
  folder: string,
  { smtp, smtps, delivery, lmtp }: EximPorts,
  demands: Demands | undefined,
): string => `
primary_hostname = mail.test
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%slog
pid_file_path = ${folder}/spool/exim.pid
daemon_smtp_ports = ${smtps === 0 ? smtp : `${smtp} : ${smtps}`}
local_interfaces = 127.0.0.1
${
  demands === undefined
    ? "tls_advertise_hosts ="
    : `tls_advertise_hosts = *
tls_on_connect_ports = ${smtps}
tls_certificate = ${folder}/cert.pem
tls_privatekey = ${folder}/key.pem
auth_advertise_hosts = \${if def:tls_in_cipher{*}}`
}
keep_environment =
qualify_domain = mail.test
acl_smtp_rcpt = ${demands === undefined ? "acl_take" : "acl_recipient"}
acl_smtp_data = acl_take
begin acl
acl_take:
  accept
acl_recipient:
  accept domains = example.com
  accept authenticated = *
  deny message = relay not permitted
begin routers
nobody:
  driver = redirect
  domains = nowhere.example
  data = :fail: no such user
  allow_fail
${
  lmtp === undefined
    ? ""
    : `calendar:
  driver = manualroute
  domains = example.com
  local_parts = calendar
  local_part_suffix = +*
  route_list = * 127.0.0.1
  self = send
  transport = to_calendar
`
}mailboxes:
  driver = manualroute
  domains = example.com : elsewhere.example
  route_list = * 127.0.0.1
  self = send
  transport = to_mailbox
begin transports
to_mailbox:
  driver = smtp
  protocol = lmtp
  port = ${delivery}
to_calendar:
  driver = smtp
  protocol = lmtp
  port = ${lmtp ?? 0}
  rcpt_include_affixes = true
begin retry
* * F,1h,1s
${demands === undefined ? "" : authenticator(demands)}`;

const authenticator = ({ mechanism, user }: Demands): string => {
  const [prompts, name, password] = mechanism === "PLAIN" ? [":", "2", "3"] : ["Username:: : Password::", "1", "2"];
  return `begin authenticators
signing_in:
  driver = plaintext
  public_name = ${mechanism}
  server_prompts = ${prompts}
  server_condition = \${if and{{eq{$auth${name}}{${user}}}{eq{$auth${password}}{${mailPassword}}}}}
  server_set_id = $auth${name}
`;
};

const dovecotConfiguration = (
  folder: string,
  { imap, imaps, delivery }: { readonly imap: number; readonly imaps: number; readonly delivery: number },
  { uid, gid }: { readonly uid: number; readonly gid: number },
): string => `
base_dir = ${folder}/run
log_path = ${folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
${imaps === 0 ? "ssl = no" : `ssl = yes\nssl_cert = <${folder}/cert.pem\nssl_key = <${folder}/key.pem`}
disable_plaintext_auth = no
recipient_delimiter = +
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
passdb {
  driver = static
  args = password=${mailPassword}
}
userdb {
  driver = static
  args = uid=${uid} gid=${gid} home=${folder}/mail/%u allow_all_users=yes
}
service imap-login {
  chroot =
  inet_listener imap {
    port = ${imap}
  }
  inet_listener imaps {
    port = ${imaps}
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    port = ${delivery}
  }
}
namespace inbox {
  inbox = yes
}
`;
