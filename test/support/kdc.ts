import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, until } from "./server.ts";

const run = promisify(execFile);

/** Realms of a test, each with a database of its own, served by one MIT KDC on loopback. Nothing of the system is touched: all
 *  programs are pointed to its files by their environment. */
export class Kdc {
  readonly folder: string;
  /** KRB5_CONFIG and KRB5_KDC_PROFILE. */
  readonly env: Readonly<Record<string, string>>;
  private readonly realms: readonly string[];
  private readonly port: number;
  private readonly processes: ChildProcess[] = [];

  private constructor(folder: string, realms: readonly string[], port: number) {
    this.folder = folder;
    this.realms = realms;
    this.port = port;
    this.env = { KRB5_CONFIG: join(folder, "krb5.conf"), KRB5_KDC_PROFILE: join(folder, "kdc.conf") };
  }

  /** The first realm is everybody's default. */
  static async start(...realms: readonly string[]): Promise<Kdc> {
    const folder = await mkdtemp(join(tmpdir(), "caldavd-kdc-"));
    const kdc = new Kdc(folder, realms, await freePort());
    await kdc.configure(kdc.env["KRB5_CONFIG"] ?? "", kdc.port, realms[0] ?? "");
    await writeFile(
      join(folder, "kdc.conf"),
      `[kdcdefaults]\n kdc_listen = 127.0.0.1:${kdc.port}\n kdc_tcp_listen = 127.0.0.1:${kdc.port}\n[realms]\n${realms
        .map(
          (
            realm,
          ) => ` ${realm} = {\n  database_name = ${folder}/${realm}.db\n  key_stash_file = ${folder}/${realm}.stash
  acl_file = ${folder}/kadm5.acl\n  max_life = 7d\n }\n`,
        )
        .join("")}`,
    );
    for (const realm of realms) await kdc.program("kdb5_util", "create", "-s", "-r", realm, "-P", "master");
    await kdc.serve(kdc.port, kdc.env);
    return kdc;
  }

  /** Writes a krb5.conf in which `localhost` belongs to `realm`. */
  async configure(path: string, port: number, realm: string): Promise<void> {
    await writeFile(
      path,
      `[libdefaults]\n default_realm = ${realm}\n dns_lookup_kdc = false\n dns_lookup_realm = false
 dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n[realms]
${this.realms.map((one) => ` ${one} = {\n  kdc = 127.0.0.1:${port}\n }\n`).join("")}[domain_realm]\n localhost = ${realm}\n`,
    );
  }

  /** A second KDC for the same realms, whose clock is behind or ahead ("-2d"). Answers the environment to reach it with. */
  async at(clock: string): Promise<Readonly<Record<string, string>>> {
    const port = await freePort();
    const env = {
      KRB5_CONFIG: join(this.folder, `krb5${clock}.conf`),
      KRB5_KDC_PROFILE: join(this.folder, `kdc${clock}.conf`),
    };
    await this.configure(env.KRB5_CONFIG, port, this.realms[0] ?? "");
    const profile = await readFile(join(this.folder, "kdc.conf"), "utf8");
    await writeFile(env.KRB5_KDC_PROFILE, profile.replaceAll(`:${this.port}`, `:${port}`));
    await this.serve(port, env, clock);
    return env;
  }

  /** Adds a principal with a password, or with a random key that goes into the keytab. */
  async add(
    realm: string,
    principal: string,
    how: { readonly password: string } | { readonly keytab: string },
  ): Promise<void> {
    const key = "password" in how ? `-pw ${how.password}` : "-randkey";
    await this.program("kadmin.local", "-r", realm, "-q", `addprinc ${key} ${principal}@${realm}`);
    if ("keytab" in how)
      await this.program("kadmin.local", "-r", realm, "-q", `ktadd -k ${how.keytab} ${principal}@${realm}`);
  }

  /** Users of the realm `of` may use services of the realm `by`. */
  async trust(of: string, by: string, password: string): Promise<void> {
    for (const realm of [of, by])
      await this.program("kadmin.local", "-r", realm, "-q", `addprinc -pw ${password} krbtgt/${by}@${of}`);
  }

  /** Gets tickets; answers the environment of a client that has them. `as`: of `at`. */
  async kinit(
    principal: string,
    password: string,
    { env = this.env, clock }: { readonly env?: Readonly<Record<string, string>>; readonly clock?: string } = {},
  ): Promise<Readonly<Record<string, string>>> {
    const own = { ...env, KRB5CCNAME: `FILE:${this.folder}/cc-${principal.replace(/\W/g, "-")}-${Math.random()}` };
    const words = [...(clock === undefined ? [] : ["faketime", "-f", clock]), "kinit", principal];
    const child = spawn(words[0] ?? "", words.slice(1), {
      env: { ...process.env, ...own },
      stdio: ["pipe", "ignore", "pipe"],
    });
    child.stdin.end(`${password}\n`);
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`kinit ${principal}: ${said}`);
    return own;
  }

  async stop(): Promise<void> {
    for (const child of this.processes) {
      child.kill("SIGTERM");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private async program(name: string, ...args: readonly string[]): Promise<void> {
    try {
      await run(name, [...args], { env: { ...process.env, ...this.env } });
    } catch (error) {
      throw new Error(`${name} failed: install it with "apt-get install krb5-kdc krb5-admin-server krb5-user"`, {
        cause: error,
      });
    }
  }

  private async serve(port: number, env: Readonly<Record<string, string>>, clock?: string): Promise<void> {
    const realms = this.realms.flatMap((realm) => ["-r", realm]);
    const words = [...(clock === undefined ? [] : ["faketime", "-f", clock]), "krb5kdc", "-n", ...realms];
    const child = spawn(words[0] ?? "", [...words.slice(1), "-P", join(this.folder, `kdc-${port}.pid`)], {
      env: { ...process.env, ...env },
      stdio: "ignore",
    });
    this.processes.push(child);
    await until("the KDC", () => {
      if (child.exitCode !== null) throw new Error(`krb5kdc ended with ${child.exitCode}`);
      return new Promise<boolean>((resolve) => {
        const probe = connect(port, "127.0.0.1", () => {
          probe.destroy();
          resolve(true);
        });
        probe.on("error", () => resolve(false));
      });
    });
  }
}
