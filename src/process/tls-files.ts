import { execFile } from "node:child_process";
import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { reasonOf } from "./prepare.ts";
import { selfSigned } from "./self-signed.ts";

/** Where the plist says that certificates are. */
export interface TlsFiles {
  /** SSLCertificate; empty: one is made. May hold the chain and the key too. */
  readonly certificate: string;
  /** SSLPrivateKey; empty: it stands in the certificate's file. */
  readonly privateKey: string;
  /** SSLAuthorityChain; empty: none, or in the certificate's file. */
  readonly chain: string;
  /** SSLPassPhraseDialog. */
  readonly dialog: string;
  /** SSLMoreCertificates: files with certificate, chain and key each, for other names of this host. */
  readonly more: readonly string[];
  /** The name clients use. */
  readonly host: string;
  readonly port: number;
  readonly dataRoot: string;
}

/** A certificate with its chain, and its key, not encrypted. PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/** What workers need to speak TLS. Plain data: the master reads files that only it may read, and sends this. */
export interface TlsMaterial {
  /** The first is for clients that name no host, or an unknown one. Never empty. */
  readonly identities: readonly TlsIdentity[];
  /** 48 bytes, base64: session tickets of one worker are good at all others. */
  readonly ticketKeys: string;
  /** What an administrator should know although it does not stand in the way. */
  readonly warnings: readonly string[];
}

const run = promisify(execFile);
/** Node's names of key types, and Apache's. */
const kinds = new Map([
  ["rsa", "RSA"],
  ["dsa", "DSA"],
  ["ec", "ECC"],
]);
const day = 86_400_000;

/** Reads all that is needed to speak TLS; makes a certificate for itself where none is named. Throws an Error that names key
 *  and file. */
export async function loadTls(files: TlsFiles, now: number = Date.now()): Promise<TlsMaterial> {
  const warnings: string[] = [];
  const own =
    files.certificate === ""
      ? await selfSigned(files.dataRoot, files.host, now, (warning) => warnings.push(warning))
      : await identityFrom("SSLCertificate", files.certificate, files.privateKey, files.chain, files);
  const more = await Promise.all(files.more.map((file) => identityFrom("SSLMoreCertificates", file, "", "", files)));
  const identities = [own, ...more];
  for (const [at, { cert }] of identities.entries()) {
    const left = Date.parse(new X509Certificate(cert).validTo) - now;
    const name = at === 0 ? files.certificate || "the server's own certificate" : files.more[at - 1];
    if (left < 0) warnings.push(`${name}: the certificate expired ${Math.ceil(-left / day)} days ago`);
    else if (left < 14 * day) warnings.push(`${name}: the certificate expires in ${Math.ceil(left / day)} days`);
  }
  return { identities, ticketKeys: randomBytes(48).toString("base64"), warnings };
}

async function identityFrom(
  setting: string,
  certificate: string,
  privateKey: string,
  chain: string,
  files: TlsFiles,
): Promise<TlsIdentity> {
  const text = await pem(setting, certificate);
  const blocks = certificates(text);
  if (blocks.length === 0) throw new Error(`${setting}: ${certificate} holds no certificate in PEM form`);
  const first = parsed(setting, certificate, blocks[0] ?? "");
  if (chain !== "") blocks.push(...certificates(await pem("SSLAuthorityChain", chain)));
  const keyFile = privateKey || certificate;
  const keySetting = privateKey === "" ? setting : "SSLPrivateKey";
  const keyText = privateKey === "" ? text : await pem(keySetting, privateKey);
  const key = await readKey(keySetting, keyFile, keyText, first, files);
  if (!first.checkPrivateKey(key))
    throw new Error(`${keySetting}: ${keyFile} is not the private key of the certificate ${certificate}`);
  return { cert: blocks.join(""), key: key.export({ type: "pkcs8", format: "pem" }).toString() };
}

async function pem(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, "latin1");
  } catch (error) {
    throw new Error(`${setting}: ${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

const certificates = (text: string): string[] =>
  (text.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g) ?? []).map(
    (block) => `${block}\n`,
  );

function parsed(setting: string, path: string, block: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch (error) {
    throw new Error(`${setting}: ${path} holds no certificate that can be read: ${reasonOf(error)}`, { cause: error });
  }
}

/** The key in `text`; a passphrase is asked of SSLPassPhraseDialog, as Apache's mod_ssl asks: `program host:port RSA`. */
async function readKey(
  setting: string,
  path: string,
  text: string,
  certificate: X509Certificate,
  { dialog, host, port }: TlsFiles,
): Promise<KeyObject> {
  const block = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----/s.exec(text)?.[0];
  if (block === undefined) throw new Error(`${setting}: ${path} holds no private key in PEM form`);
  if (!/ENCRYPTED/.test(block)) {
    try {
      return createPrivateKey(block);
    } catch (error) {
      throw new Error(`${setting}: ${path} holds no private key that can be read: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }
  if (dialog === "")
    throw new Error(
      `${setting}: ${path} is encrypted, and SSLPassPhraseDialog names no program that knows the passphrase`,
    );
  const kind = kinds.get(certificate.publicKey.asymmetricKeyType ?? "rsa") ?? "RSA";
  let passphrase: string;
  try {
    const { stdout } = await run(dialog, [`${host}:${port}`, kind], { timeout: 60_000, encoding: "utf8" });
    passphrase = stdout.replace(/\r?\n$/, "");
  } catch (error) {
    throw new Error(`SSLPassPhraseDialog: ${dialog} gave no passphrase for ${path}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  try {
    return createPrivateKey({ key: block, passphrase });
  } catch (error) {
    throw new Error(`SSLPassPhraseDialog: the passphrase of ${dialog} does not open ${path}`, { cause: error });
  }
}
