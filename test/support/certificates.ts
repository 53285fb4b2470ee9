import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
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
