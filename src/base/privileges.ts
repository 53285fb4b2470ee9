import { execFileSync } from "node:child_process";

/** Who a process runs as. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** A user or group that does not exist, or a change that only root may make. */
export class PrivilegeError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PrivilegeError";
  }
}

/** The number of a user or group. Asked of the system's own commands, since accounts may come from LDAP as well as from /etc. */
const lookUp = (what: "user" | "group", name: string): number => {
  if (/^\d+$/.test(name)) return Number(name);
  try {
    const answer =
      what === "user"
        ? execFileSync("id", ["-u", "--", name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
        : execFileSync("getent", ["group", "--", name], {
            encoding: "utf8",
            stdio: ["ignore", "pipe", "ignore"],
          }).split(":")[2];
    const id = Number.parseInt(answer ?? "", 10);
    if (Number.isSafeInteger(id)) return id;
  } catch (cause) {
    throw new PrivilegeError(`there is no ${what} "${name}"`, { cause });
  }
  throw new PrivilegeError(`there is no ${what} "${name}"`);
};

const primaryGroup = (name: string): number =>
  Number.parseInt(
    execFileSync("id", ["-g", "--", name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    10,
  );

/** Uid and gid for UserName and GroupName (-u and -g); empty means no change, and a user alone brings its own group.
 *  undefined: nothing is to be changed. Throws PrivilegeError. */
export const identityOf = (userName: string, groupName: string): Identity | undefined => {
  if (userName === "" && groupName === "") return undefined;
  const uid = userName === "" ? (process.getuid?.() ?? 0) : lookUp("user", userName);
  const gid =
    groupName !== ""
      ? lookUp("group", groupName)
      : userName === ""
        ? (process.getgid?.() ?? 0)
        : primaryGroup(userName);
  return { uid, gid };
};

/** What the workers of a master started by root become; undefined for a master that is not root, since nobody else may change. */
export const workerIdentity = (userName: string, groupName: string): Identity | undefined =>
  process.getuid?.() === 0 ? identityOf(userName, groupName) : undefined;

/** Makes this process give up what it is for `identity`, for good. Throws PrivilegeError when it is not root. */
export const become = (identity: Identity): void => {
  if (process.getuid?.() !== 0) throw new PrivilegeError("only root may run as another user or group (-u, -g)");
  process.setgroups?.([identity.gid]);
  process.setgid?.(identity.gid);
  process.setuid?.(identity.uid);
};
