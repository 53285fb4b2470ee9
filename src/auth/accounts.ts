import type { DirectoryBackend } from "../directory/backend.ts";
import type { Sudoers } from "../directory/sudoers.ts";
import { HttpError } from "../http/message.ts";
import type { Principal } from "../model/principal.ts";
import type { AppPassword, AppPasswords } from "./app-passwords.ts";
import type { Accounts, DigestSecret, Identity } from "./scheme.ts";
import type { SlowHashes } from "./slow-hashes.ts";
import { isSlow, type Naming, proves, storedHa1 } from "./stored-password.ts";

/** What signing in needs of a directory. A `DirectoryBackend` serves better than a `Directory`: its generation does not ask
 *  the delegate database, which signing in has nothing to do with. */
export type SignInDirectory = Pick<
  DirectoryBackend,
  "realm" | "byShortName" | "storedPasswords" | "verifyPassword" | "maySignIn" | "generation"
>;

export interface AccountsOptions {
  readonly directory: SignInDirectory;
  readonly sudoers: Sudoers;
  readonly hashes: SlowHashes;
  readonly appPasswords: AppPasswords;
}

const identityOf = (principal: Principal, { readOnly }: AppPassword): Identity =>
  readOnly ? { kind: "principal", principal, readOnly } : { kind: "principal", principal };

/** Joins the users of a directory and the sudoers. A sudoer hides a user of the same name, as in the original. */
export function accountsOf({ directory, sudoers, hashes, appPasswords }: AccountsOptions): Accounts {
  /** Undefined also for a record that may not sign in, in whatever way. */
  const user = async (name: string): Promise<Principal | undefined> => {
    const principal = await directory.byShortName("users", name);
    return principal === undefined || (await directory.maySignIn?.(principal)) === false ? undefined : principal;
  };
  const naming = (name: string): Naming => ({ name, realm: directory.realm });
  const sudoerPasswords = async (name: string): Promise<readonly string[]> => {
    const stored = await sudoers.storedPassword(name);
    return stored === undefined ? [] : [stored];
  };
  /** What was last looked at that takes long: names that nobody has are to take as long, or guessing would tell who is here. */
  let decoy: string | undefined;
  const anyProves = async (stored: readonly string[], name: string, password: string): Promise<boolean> => {
    decoy = stored.find(isSlow) ?? decoy;
    // Systems differ in how they put an umlaut together (RFC 8265 §4.2.2 wants it composed).
    for (const form of new Set([password, password.normalize("NFC")]))
      for (const one of stored) if (await proves(one, form, naming(name), hashes)) return true;
    return false;
  };
  const takeAsLong = async (name: string, password: string): Promise<void> => {
    if (decoy !== undefined) await proves(decoy, password, naming(name), hashes);
  };
  /** Asks the directory service itself. */
  const serviceSays = async (principal: Principal, password: string): Promise<boolean> => {
    const answer = await directory.verifyPassword?.(principal, password);
    if (answer === "unavailable")
      throw new HttpError(503, "The directory cannot be asked at the moment; please try again.", {
        "Retry-After": "30",
      });
    return answer ?? false;
  };
  const secrets = (identity: Identity, stored: readonly string[], name: string, hash: "md5" | "sha256") =>
    stored.flatMap((one) => storedHa1(one, naming(name), hash)).map((ha1) => ({ identity, ha1 }));
  return {
    get realm() {
      return directory.realm;
    },
    user,
    isSudoer: (name) => sudoers.has(name),
    generation: () => directory.generation() + sudoers.generation() + appPasswords.generation(),
    async signIn(name, password) {
      if (password === "") return undefined;
      if (await sudoers.has(name))
        return (await anyProves(await sudoerPasswords(name), name, password)) ? { kind: "sudoer", name } : undefined;
      const principal = await user(name);
      if (principal === undefined) {
        await takeAsLong(name, password);
        return undefined;
      }
      // First, since they are told by their form, and cost nothing; a directory that is down does not matter to them.
      const app = await appPasswords.match(principal.uid, password);
      if (app !== undefined) return identityOf(principal, app);
      const stored = (await directory.storedPasswords?.(principal)) ?? [];
      return (await anyProves(stored, name, password)) || (await serviceSays(principal, password))
        ? { kind: "principal", principal }
        : undefined;
    },
    async digestSecrets(name, hash, anew = false): Promise<readonly DigestSecret[] | undefined> {
      if (await sudoers.has(name)) return secrets({ kind: "sudoer", name }, await sudoerPasswords(name), name, hash);
      const principal = await user(name);
      if (principal === undefined) return undefined;
      const stored = (await directory.storedPasswords?.(principal, anew)) ?? [];
      const apps = await appPasswords.forDigest(principal.uid, hash);
      return [
        ...secrets({ kind: "principal", principal }, stored, name, hash),
        ...apps.map((app) => ({ identity: identityOf(principal, app), ha1: app.ha1 })),
      ];
    },
  };
}
