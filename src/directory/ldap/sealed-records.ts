import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { Keeper } from "../kept-answers.ts";
import type { LdapRecord } from "./entry-record.ts";

type Kept = Omit<LdapRecord, "passwords"> & {
  /** Sealed; undefined: there are none. */
  readonly passwords?: string | undefined;
};

/** Keeps records without letting their passwords onto the disk in a form that anybody but the workers of this start could read:
 *  sealed with `secret` (AES-256-GCM). Records of an earlier start come back with passwords undefined. */
export function sealedRecords(keeper: Keeper<LdapRecord> | undefined, secret: string): Keeper<LdapRecord> | undefined {
  if (keeper === undefined) return undefined;
  const key = new Uint8Array(hkdfSync("sha256", secret, "", "caldavd directory passwords", 32));
  // What is kept are plain data of this form; the keeper itself does not look at them.
  const kept = keeper as unknown as Keeper<Kept>;
  const seal = (passwords: readonly string[]): string => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    const sealed = Buffer.concat([cipher.update(JSON.stringify(passwords), "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64");
  };
  const open = (text: string): readonly string[] | undefined => {
    try {
      const bytes = Buffer.from(text, "base64");
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(12, 28));
      return JSON.parse(decipher.update(bytes.subarray(28), undefined, "utf8") + decipher.final("utf8"));
    } catch {
      return undefined;
    }
  };
  return {
    load: (uid) => {
      const found = kept.load(uid);
      if (found === undefined) return undefined;
      const { passwords } = found.value;
      return { at: found.at, value: { ...found.value, passwords: passwords === undefined ? [] : open(passwords) } };
    },
    save: (uid, record, at) =>
      kept.save(
        uid,
        record === undefined
          ? undefined
          : {
              ...record,
              passwords:
                record.passwords === undefined || record.passwords.length === 0 ? undefined : seal(record.passwords),
            },
        at,
      ),
  };
}
