import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** crypt(3) in the forms that Debian's libcrypt calls sha512crypt ($6$), sha256crypt ($5$) and md5crypt ($1$, and Apache's
 *  $apr1$), on node:crypto. Slow by design: 5,000 rounds of SHA-512 take some 8 ms. */

const digits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The bytes in crypt's base64: three at a time in the order of `order`, the lowest six bits first. -1 is no byte. */
function encode(bytes: Uint8Array, order: readonly (readonly [number, number, number, number])[]): string {
  let text = "";
  for (const [high, middle, low, count] of order) {
    let value =
      ((high < 0 ? 0 : (bytes[high] ?? 0)) << 16) | ((middle < 0 ? 0 : (bytes[middle] ?? 0)) << 8) | (bytes[low] ?? 0);
    for (let i = 0; i < count; i++) {
      text += digits[value & 63];
      value >>= 6;
    }
  }
  return text;
}

const order512 = [
  ...Array.from({ length: 21 }, (_, i) => {
    const group = [i, i + 21, i + 42];
    const turn = i % 3;
    return [group[turn] ?? 0, group[(turn + 1) % 3] ?? 0, group[(turn + 2) % 3] ?? 0, 4] as const;
  }),
  [-1, -1, 63, 2] as const,
];
const order256 = [
  ...Array.from({ length: 10 }, (_, i) => {
    const group = [i, i + 10, i + 20];
    const turn = (3 - (i % 3)) % 3;
    return [group[turn] ?? 0, group[(turn + 1) % 3] ?? 0, group[(turn + 2) % 3] ?? 0, 4] as const;
  }),
  [-1, 31, 30, 3] as const,
];
const orderMd5 = [
  [0, 6, 12, 4],
  [1, 7, 13, 4],
  [2, 8, 14, 4],
  [3, 9, 15, 4],
  [4, 10, 5, 4],
  [-1, -1, 11, 2],
] as const;

/** `bytes` over and over, `length` bytes in all. */
const repeated = (bytes: Buffer, length: number): Buffer => Buffer.alloc(length, bytes);

/** The crypt string of the password with the method, rounds and salt of `setting`, itself such a string ($5$ or $6$). */
export function shaCrypt(password: string, setting: string): string {
  const [, method = "6", given, salt = ""] = /^\$([56])\$(?:rounds=(\d+)\$)?([^$]{0,16})/.exec(setting) ?? [];
  const name = method === "5" ? "sha256" : "sha512";
  const rounds = given === undefined ? 5000 : Math.min(Math.max(Number(given), 1000), 999_999_999);
  const key = Buffer.from(password, "utf8");
  const salted = Buffer.from(salt, "latin1");
  const sum = (...parts: readonly Buffer[]): Buffer => {
    const hash = createHash(name);
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const b = sum(key, salted, key);
  const a: Buffer[] = [key, salted, repeated(b, key.length)];
  for (let bits = key.length; bits > 0; bits >>= 1) a.push((bits & 1) === 1 ? b : key);
  let digest = sum(...a);
  const p = repeated(sum(...Array.from({ length: key.length }, () => key)), key.length);
  const s = repeated(sum(...Array.from({ length: 16 + (digest[0] ?? 0) }, () => salted)), salted.length);
  for (let round = 0; round < rounds; round++) {
    const odd = (round & 1) === 1;
    const hash = createHash(name).update(odd ? p : digest);
    if (round % 3 !== 0) hash.update(s);
    if (round % 7 !== 0) hash.update(p);
    digest = hash.update(odd ? digest : p).digest();
  }
  const head = given === undefined ? `$${method}$${salt}$` : `$${method}$rounds=${rounds}$${salt}$`;
  return head + encode(digest, method === "5" ? order256 : order512);
}

/** As `shaCrypt`, for $1$ and $apr1$. */
export function md5Crypt(password: string, setting: string): string {
  const [, method = "1", salt = ""] = /^\$(1|apr1)\$([^$]{0,8})/.exec(setting) ?? [];
  const key = Buffer.from(password, "utf8");
  const salted = Buffer.from(salt, "latin1");
  const zero = Buffer.alloc(1);
  const sum = (...parts: readonly Buffer[]): Buffer => {
    const hash = createHash("md5");
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const b = sum(key, salted, key);
  const a: Buffer[] = [key, Buffer.from(`$${method}$`), salted, repeated(b, key.length)];
  for (let bits = key.length; bits > 0; bits >>= 1) a.push((bits & 1) === 1 ? zero : key.subarray(0, 1));
  let digest = sum(...a);
  for (let round = 0; round < 1000; round++) {
    const odd = (round & 1) === 1;
    const parts = [odd ? key : digest];
    if (round % 3 !== 0) parts.push(salted);
    if (round % 7 !== 0) parts.push(key);
    parts.push(odd ? digest : key);
    digest = sum(...parts);
  }
  return `$${method}$${salt}$${encode(digest, orderMd5)}`;
}
