import { execFile } from "node:child_process";
import { createPrivateKey, randomUUID, X509Certificate } from "node:crypto";
import { open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeFolders, reasonOf } from "./prepare.ts";
import type { TlsIdentity } from "./tls-files.ts";

const run = promisify(execFile);

/** Days that a certificate is good for: Apple's clients refuse more than 825. */
const lifetime = 825;
/** A certificate is replaced when it has less than this left. Milliseconds. */
const renewal = 30 * 86_400_000;

/** In DataRoot; certificate and key in one file, so that they are exchanged together. */
export const selfSignedFile = (dataRoot: string): string => join(dataRoot, "self-signed.pem");

/** The certificate that the server made for itself, or a new one when there is none for this host name or it is about to
 *  expire. It is made by the openssl command. `warn` hears of a new one, with its fingerprint: clients must be told to trust it.
 *  Throws an Error with a sentence. */
export async function selfSigned(
  dataRoot: string,
  host: string,
  now: number,
  warn: (message: string) => void,
): Promise<TlsIdentity> {
  const path = selfSignedFile(dataRoot);
  const kept = await readFile(path, "latin1").then(
    (text) => usable(text, host, now),
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw new Error(`${path}: cannot be read: ${reasonOf(error)}`, { cause: error });
    },
  );
  if (kept !== undefined) return kept;
  const made = await make(dataRoot, path, host);
  const { fingerprint256 } = new X509Certificate(made.cert);
  warn(
    `SSLCertificate: none is named, so the server made one for ${host}, ${path}; clients must be told to trust it. ` +
      `Its SHA-256 fingerprint is ${fingerprint256}`,
  );
  return made;
}

/** The parts of the file's text, if they will do. */
function usable(text: string, host: string, now: number): TlsIdentity | undefined {
  try {
    const identity = parts(text);
    const certificate = new X509Certificate(identity.cert);
    const named = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
    const fits = named !== undefined && Date.parse(certificate.validTo) - now > renewal;
    return fits && certificate.checkPrivateKey(createPrivateKey(identity.key)) ? identity : undefined;
  } catch {
    // Half a file, or somebody's own: a new one takes its place.
    return undefined;
  }
}

const parts = (text: string): TlsIdentity => {
  const block = (label: string): string =>
    new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----\n`).exec(text)?.[0] ?? "";
  return { cert: block("CERTIFICATE"), key: block("PRIVATE KEY") };
};

async function make(dataRoot: string, path: string, host: string): Promise<TlsIdentity> {
  const names = [...new Set([host, hostname(), "localhost", "127.0.0.1", "::1"])];
  const draft = `${path}.${randomUUID()}`;
  try {
    makeFolders(dataRoot, 0o750);
    await writeFile(
      `${draft}.conf`,
      `[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = ${host.slice(0, 64)}
[extensions]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = ${names.map((name) => `${isIP(name) === 0 ? "DNS" : "IP"}:${name}`).join(", ")}
`,
    );
    const { stdout } = await run(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"],
        ...["-days", `${lifetime}`, "-config", `${draft}.conf`, "-keyout", "-", "-out", "-"],
      ],
      { encoding: "latin1", timeout: 60_000 },
    );
    const identity = parts(stdout);
    const file = await open(draft, "wx", 0o600);
    await file.writeFile(identity.key + identity.cert);
    await file.sync();
    await file.close();
    await rename(draft, path);
    return identity;
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new Error(
      missing
        ? "SSLCertificate: none is named, and the program openssl, which would make one, is not installed"
        : `SSLCertificate: none is named, and none could be made in ${dataRoot}: ${reasonOf(error)}`,
      { cause: error },
    );
  } finally {
    await Promise.all([rm(draft, { force: true }), rm(`${draft}.conf`, { force: true })]);
  }
}
