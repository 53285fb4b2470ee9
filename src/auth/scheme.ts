import type { DirectoryBackend, Proof } from "../directory/backend.ts";
import type { Sudoers } from "../directory/sudoers.ts";
import type { HttpRequest } from "../http/message.ts";
import type { Principal } from "../model/principal.ts";

/** Whom a client has proved to be: a user of the directory, or a sudoer (who is no principal and has no calendars). */
export type Identity =
  | { readonly kind: "principal"; readonly principal: Principal }
  | { readonly kind: "sudoer"; readonly name: string };

/** `stale`: the proof is right, but must be repeated with a new nonce (RFC 7616 §3.3). */
export type Verdict = Identity | "refused" | "stale";

/** A way to sign in. One file per scheme; the list in `server.ts` is the order of the challenges. */
export interface AuthScheme {
  readonly name: "Basic" | "Digest" | "Negotiate";
  /** The value of a WWW-Authenticate header, made anew for each answer. */
  challenge(request: HttpRequest, stale: boolean): string;
  /** Judges what follows the scheme's name in the Authorization header. Never throws for what a client sends. Answers at
   *  once when it can: this is on the way of every request. */
  authenticate(credentials: string, request: HttpRequest): Verdict | Promise<Verdict>;
}

/** Who may sign in. */
export interface Accounts {
  /** Shown to people; part of what Digest hashes. */
  readonly realm: string;
  /** Undefined: no such user, or the proof is wrong. */
  signIn(name: string, proof: Proof): Promise<Identity | undefined>;
  /** The user of that name, to act as. */
  user(name: string): Promise<Principal | undefined>;
  isSudoer(name: string): Promise<boolean>;
  /** Changes when records or sudoers may have changed. */
  generation(): number;
}

/** What signing in needs of a directory. A `DirectoryBackend` serves better than a `Directory`: its generation does not ask
 *  the delegate database, which signing in has nothing to do with. */
export type SignInDirectory = Pick<DirectoryBackend, "realm" | "byShortName" | "verify" | "generation">;

/** Joins the users of a directory and the sudoers. A sudoer hides a user of the same name, as in the original. */
export function accountsOf(directory: SignInDirectory, sudoers: Sudoers): Accounts {
  const user = (name: string): Promise<Principal | undefined> => directory.byShortName("users", name);
  return {
    get realm() {
      return directory.realm;
    },
    user,
    isSudoer: (name) => sudoers.has(name),
    generation: () => directory.generation() + sudoers.generation(),
    async signIn(name, proof) {
      if (await sudoers.has(name))
        return (await sudoers.verify(name, proof, directory.realm)) ? { kind: "sudoer", name } : undefined;
      const principal = await user(name);
      return principal !== undefined && (await directory.verify(principal, proof))
        ? { kind: "principal", principal }
        : undefined;
    },
  };
}

/** A quoted-string (RFC 9110 §5.6.4) for a header of Node's, which holds bytes as Latin-1: other letters go as UTF-8. */
export const quotedString = (text: string): string =>
  `"${Buffer.from(text.replace(/[\u0000-\u001f\u007f]/g, " "), "utf8")
    .toString("latin1")
    .replace(/["\\]/g, "\\$&")}"`;
