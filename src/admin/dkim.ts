import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { keyRecord } from "../scheduling/ischedule/dkim.ts";
import { type Command, operandsOf, Problems } from "./command.ts";

const make = promisify(generateKeyPair);
const bits = 2048;
/** Characters of one string of a TXT record. */
const longest = 255;

/** `caladmin dkim`: the key that messages to other servers are signed with. */
export const dkimCommand: Command = {
  name: "dkim",
  operands: ["[--make PRIVATE-KEY-FILE]"],
  about: "the key that signs messages to other servers, and its DNS record",
  help: `Prints the DNS record of the key that messages to other servers (iSchedule) are
signed with: Scheduling.iSchedule.DKIM.PrivateKeyFile, Domain and KeySelector.
Whoever runs the domain's DNS puts it there; servers that find keys by HTTP read
it at /.well-known/domainkey/ of this server.

--make FILE makes a new key first, of ${bits} bits, for the server's user to read: its
owner becomes who runs this command. A file that is there already stays.

    sudo -u caldavd caladmin dkim --make /etc/caldavd/ischedule.pem
`,
  options: { make: { type: "string" } },
  async run(call) {
    operandsOf(call, 0, 0);
    const { Scheduling, ServerHostName } = await call.config();
    const { DKIM } = Scheduling.iSchedule;
    const wanted = call.value("make");
    if (wanted !== undefined) await makeKey(wanted);
    const path = wanted ?? DKIM.PrivateKeyFile;
    if (path === "")
      throw new Problems(["Scheduling.iSchedule.DKIM.PrivateKeyFile is not set; --make FILE makes a key"]);
    const domain = DKIM.Domain === "" ? ServerHostName : DKIM.Domain;
    const record = keyRecord(createPublicKey(await readKey(path)));
    const strings = record.match(new RegExp(`.{1,${longest}}`, "g")) ?? [];
    call.print(`${DKIM.KeySelector}._domainkey.${domain}. IN TXT ${strings.map((part) => `"${part}"`).join(" ")}\n`);
    if (wanted !== undefined && wanted !== DKIM.PrivateKeyFile)
      call.say(`the server signs with it when Scheduling.iSchedule.DKIM.PrivateKeyFile is ${wanted}`);
    return 0;
  },
};

async function makeKey(path: string): Promise<void> {
  const { privateKey } = await make("rsa", { modulusLength: bits });
  const text = privateKey.export({ format: "pem", type: "pkcs8" });
  try {
    await writeFile(path, text, { mode: 0o600, flag: "wx" });
  } catch (error) {
    throw new Problems([`${path} cannot be made: ${(error as Error).message}`]);
  }
}

async function readKey(path: string): Promise<KeyObject> {
  try {
    return createPrivateKey(await readFile(path));
  } catch (error) {
    throw new Problems([`${path} is no private key in PEM: ${(error as Error).message}`]);
  }
}
