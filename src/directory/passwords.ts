import { hash, timingSafeEqual } from "node:crypto";
import type { Proof } from "./backend.ts";

/** HA1 of RFC 7616 §3.4.2 for the hashes that Digest offers here: MD5 (32 hex digits) and SHA-256 (64). */
export function ha1(algorithm: "md5" | "sha256", user: string, realm: string, password: string): string {
  return hash(algorithm, `${user}:${realm}:${password}`);
}

/** Whether the proof shows that the client knows the password stored in a record. The one place that knows how passwords are
 *  stored: as clear text. `names` are those a client may sign in with, since Digest hashes the name it was given.
 *  An undefined or empty password never matches: such a record cannot sign in. */
export function proves(proof: Proof, stored: string | undefined, names: readonly string[], realm: string): boolean {
  if (stored === undefined || stored === "") return false;
  if (proof.kind === "password") return sameSecret(proof.password, stored);
  return names.some(
    (name) => proof.accepts(ha1("md5", name, realm, stored)) || proof.accepts(ha1("sha256", name, realm, stored)),
  );
}

/** Compares in a time that tells nothing about where the texts differ, nor about their lengths. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(hash("sha256", a, "buffer"), hash("sha256", b, "buffer"));
}
