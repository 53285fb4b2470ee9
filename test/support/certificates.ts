import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface CertificateFiles {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  /** Certificate and key in one file. */
  readonly both: string;
}

/** A self-signed certificate for some names, made by openssl; `passphrase` encrypts the key. */
export async function makeCertificate(
  folder: string,
  file: string,
  names: readonly string[],
  passphrase?: string,
): Promise<CertificateFiles> {
  const [cert, key, both] = ["crt", "key", "pem"].map((end) => join(folder, `${file}.${end}`)) as [
    string,
    string,
    string,
  ];
  const { stdout } = await run("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-days", "30", "-subj", `/CN=${names[0]}`],
    ...["-addext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")},IP:127.0.0.1`],
    ...(passphrase === undefined ? ["-nodes"] : ["-passout", `pass:${passphrase}`]),
    ...["-keyout", "-", "-out", "-"],
  ]);
  const part = (label: RegExp): string => label.exec(stdout)?.[0] ?? "";
  const certText = `${part(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/)}\n`;
  const keyText = `${part(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*-----END [A-Z ]*PRIVATE KEY-----/)}\n`;
  await writeFile(cert, certText);
  await writeFile(key, keyText, { mode: 0o600 });
  await writeFile(both, keyText + certText, { mode: 0o600 });
  return { cert, key, both };
}

/** An authority of a test. */
export interface Authority {
  /** Its certificate, PEM. */
  readonly cert: string;
  /** A certificate for these names (`DNS:mail.test`, `IP:127.0.0.1`) and no others. */
  issue(file: string, names: readonly string[]): Promise<CertificateFiles>;
}

/** Makes an authority that nobody knows yet. */
export async function makeAuthority(folder: string, file: string): Promise<Authority> {
  const [cert, key] = [join(folder, `${file}.crt`), join(folder, `${file}.key`)];
  const subject = ["-days", "30", "-nodes", "-newkey", "rsa:2048"];
  await run("openssl", ["req", "-x509", ...subject, "-subj", `/CN=${file}`, "-keyout", key, "-out", cert]);
  return {
    cert,
    issue: async (name, names) => {
      const files = (["crt", "key", "pem"] as const).map((end) => join(folder, `${name}.${end}`));
      const [issued = "", own = "", both = ""] = files;
      await run("openssl", [
        ...["req", "-x509", ...subject, "-CA", cert, "-CAkey", key, "-subj", `/CN=${name}`],
        ...["-addext", `subjectAltName=${names.join(",")}`, "-addext", "basicConstraints=CA:FALSE"],
        ...["-keyout", own, "-out", issued],
      ]);
      await writeFile(both, `${await readFile(own, "utf8")}${await readFile(issued, "utf8")}`, { mode: 0o600 });
      return { cert: issued, key: own, both };
    },
  };
}
