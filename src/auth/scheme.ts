import type { HttpRequest } from "../http/message.ts";
import type { Principal } from "../model/principal.ts";

/** Whom a client has proved to be: a user of the directory, or a sudoer (who is no principal and has no calendars). */
export type Identity =
  | {
      readonly kind: "principal";
      readonly principal: Principal;
      /** Signed in with an app password that may not change anything. */
      readonly readOnly?: boolean;
    }
  | { readonly kind: "sudoer"; readonly name: string };

/** Somebody has proved who he is; some schemes have a word for him in their answer (RFC 4559 §4.1). */
export interface Accepted {
  readonly identity: Identity;
  /** Headers of the answer, whatever its status. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** `refused`: the proof is wrong. `stale`: it is right, but must be repeated with a new nonce (RFC 7616 §3.3). `useless`: it
 *  cannot be judged by this scheme, since what is stored for this user does not serve; another one is to be tried. */
export type Verdict = Accepted | "refused" | "stale" | "useless";

/** A way to sign in. One file per scheme; the list in `server.ts` is the order of the challenges. */
export interface AuthScheme {
  /** As in the Authorization header; compared without case. */
  readonly name: string;
  /** Whether it is offered, and taken, on the request's connection. */
  offered(request: HttpRequest): boolean;
  /** Hears of a request that came with this scheme although it is not offered. */
  unwanted?(request: HttpRequest): void;
  /** The value of a WWW-Authenticate header, made anew for each answer. */
  challenge(request: HttpRequest, stale: boolean): string;
  /** Judges what follows the scheme's name in the Authorization header. Throws HttpError only for what is not the client's
   *  fault (503), or when it tries too often (429). Answers at once when it can: this is on the way of every request. */
  authenticate(credentials: string, request: HttpRequest): Verdict | Promise<Verdict>;
}

/** What Digest compares with: HA1 (RFC 7616 §3.4.2) of a password, hex, lower case, and who has it. */
export interface DigestSecret {
  readonly identity: Identity;
  readonly ha1: string;
}

/** Who may sign in. */
export interface Accounts {
  /** Shown to people; part of what Digest hashes. */
  readonly realm: string;
  /** Undefined: no such user, or the password is wrong. Throws HttpError 503 when it cannot be checked at the moment. */
  signIn(name: string, password: string): Promise<Identity | undefined>;
  /** Of each password of the user's whose HA1 is known. Undefined: no such user; empty: only other hashes are stored. `anew`:
   *  a directory elsewhere is asked again, since a password may have changed there. */
  digestSecrets(name: string, hash: "md5" | "sha256", anew?: boolean): Promise<readonly DigestSecret[] | undefined>;
  /** The user of that name, or of that authentication id (`Kerberos:alice@REALM`). */
  user(name: string): Promise<Principal | undefined>;
  isSudoer(name: string): Promise<boolean>;
  /** Changes when records, sudoers or app passwords may have changed. */
  generation(): number;
}

/** A quoted-string (RFC 9110 §5.6.4) for a header of Node's, which holds bytes as Latin-1: other letters go as UTF-8. */
export const quotedString = (text: string): string =>
  `"${Buffer.from(text.replace(/[\u0000-\u001f\u007f]/g, " "), "utf8")
    .toString("latin1")
    .replace(/["\\]/g, "\\$&")}"`;
