import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { access, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, repository, until } from "./server.ts";

const run = promisify(execFile);
const slapd = "/usr/sbin/slapd";
const schemas = ["core", "cosine", "nis", "inetorgperson"].map((name) => `/etc/ldap/schema/${name}.schema`);

/** A sentence why tests of directories are skipped; false when slapd is here. */
export const withoutSlapd = await Promise.all([slapd, "/usr/bin/ldapmodify"].map((path) => access(path))).then(
  () => false as const,
  () => "slapd and ldap-utils are not installed",
);

export const suffix = "dc=example,dc=com";
export const admin = { dn: `cn=admin,${suffix}`, password: "the admin's secret" };

export interface SlapdOptions {
  /** Entries to begin with. */
  readonly ldif: string;
  /** More lines of slapd.conf, before the database. */
  readonly global?: string;
  /** And in the database. */
  readonly database?: string;
  /** Lines of access control that go before the usual ones. */
  readonly access?: string;
  /** Another port that speaks TLS; `global` names the certificates. */
  readonly ldapsPort?: number;
}

/** A real directory server. */
export interface Slapd {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  readonly pid: number;
  /** Runs ldapmodify as the administrator: records with a changetype. */
  modify(ldif: string): Promise<void>;
  stop(): Promise<void>;
  /** Again, with its data, on the same port. */
  start(): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

// A test that fails leaves nothing behind.
const leftOver = new Set<() => void>();
process.once("exit", () => {
  for (const end of leftOver) end();
});

/** Starts a server with the entries, in a folder of its own that is removed when the test's process ends. */
export async function startSlapd({
  ldif,
  global = "",
  database = "",
  access: rules = "",
  ldapsPort,
}: SlapdOptions): Promise<Slapd> {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-slapd-"));
  const port = await freePort();
  const url = `ldap://127.0.0.1:${port}`;
  const urls = ldapsPort === undefined ? `${url}/` : `${url}/ ldaps://127.0.0.1:${ldapsPort}/`;
  await mkdir(join(folder, "data"));
  const configuration = join(folder, "slapd.conf");
  const included = [
    ...schemas,
    join(repository, "data/schema/caldavd.schema"),
    join(repository, "test/fixtures/ldap/directories.schema"),
  ];
  await writeFile(
    configuration,
    `${included.map((path) => `include ${path}`).join("\n")}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${folder}/slapd.pid
sizelimit 500
${global}
database mdb
suffix "${suffix}"
rootdn "${admin.dn}"
rootpw "${admin.password}"
directory ${folder}/data
maxsize 268435456
dbnosync
index objectClass,uid,cn,mail,member,memberUid,entryUUID,entryCSN eq
limits dn.exact="cn=reader,${suffix}" size.soft=500 size.hard=500 size.pr=unlimited size.prtotal=unlimited
${rules}
access to attrs=userPassword by anonymous auth by * none
access to * by * read
${database}
`,
  );
  const entries = join(folder, "entries.ldif");
  await writeFile(entries, ldif);
  await run("/usr/sbin/slapadd", ["-q", "-f", configuration, "-l", entries]);
  let child: ChildProcess | undefined;
  leftOver.add(() => {
    child?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  const start = async (): Promise<void> => {
    // Debugging level 0 keeps it in the foreground and silent.
    const started = spawn(slapd, ["-d", "0", "-h", urls, "-f", configuration], { stdio: "ignore" });
    started.unref();
    child = started;
    await until("slapd to listen", () => {
      if (started.exitCode !== null) throw new Error(`slapd ended with ${started.exitCode}`);
      return listens(port);
    });
  };
  await start();
  return {
    url,
    port,
    folder,
    get pid() {
      return child?.pid ?? 0;
    },
    async modify(changes) {
      const file = join(folder, "changes.ldif");
      await writeFile(file, changes);
      // Whatever certificate the test gave it.
      const tls = global.includes("TLSCertificateFile") ? ["-ZZ"] : [];
      await run("/usr/bin/ldapmodify", [...tls, "-x", "-H", url, "-D", admin.dn, "-w", admin.password, "-f", file], {
        env: { ...process.env, LDAPTLS_REQCERT: "never" },
      });
    },
    async stop() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      const cut = setTimeout(() => child?.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(cut);
    },
    start,
    signal: (name) => void child?.kill(name),
  };
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });

/** An entry as LDIF. Values that are not plain are written in base64. */
export function entry(
  dn: string,
  attributes: Readonly<Record<string, string | Buffer | readonly (string | Buffer)[]>>,
): string {
  const line = (name: string, value: string | Buffer): string =>
    typeof value === "string" && /^[!-9;=-~][ -~]*(?<! )$/.test(value)
      ? `${name}: ${value}`
      : `${name}:: ${Buffer.from(value).toString("base64")}`;
  const lines = Object.entries(attributes).flatMap(([name, values]) =>
    (Array.isArray(values) ? (values as readonly (string | Buffer)[]) : [values as string | Buffer]).map((value) =>
      line(name, value),
    ),
  );
  return `${[line("dn", dn), ...lines].join("\n")}\n`;
}

/** The suffix, a searcher (password "reader") and an organisational unit for each name. */
export const beginning = (...units: readonly string[]): string =>
  [
    entry(suffix, { objectClass: ["dcObject", "organization"], o: "Example", dc: "example" }),
    entry(`cn=reader,${suffix}`, {
      objectClass: ["organizationalRole", "simpleSecurityObject"],
      cn: "reader",
      userPassword: "reader",
    }),
    ...units.map((unit) => entry(`ou=${unit},${suffix}`, { objectClass: "organizationalUnit", ou: unit })),
  ].join("\n");

/** A user of RFC 2798 whose password is the name. */
export const person = (
  name: string,
  more: Readonly<Record<string, string | Buffer | readonly (string | Buffer)[]>> = {},
): string =>
  entry(`uid=${name},ou=people,${suffix}`, {
    objectClass: ["inetOrgPerson"],
    uid: name,
    cn: `${name} Example`,
    givenName: name,
    sn: "Example",
    mail: `${name}@example.com`,
    userPassword: name,
    ...more,
  });

export const groupOf = (name: string, members: readonly string[]): string =>
  entry(groupDn(name), { objectClass: "groupOfNames", cn: name, member: members });

export const personDn = (name: string): string => `uid=${name},ou=people,${suffix}`;
export const groupDn = (name: string): string => `cn=${name},ou=groups,${suffix}`;
