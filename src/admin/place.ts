import { stat } from "node:fs/promises";
import { become, type Identity, workerIdentity } from "../base/privileges.ts";
import type { Config } from "../config/schema.ts";
import type { Delegates, Directory, DirectoryBackend } from "../directory/backend.ts";
import { openDelegates } from "../directory/delegates.ts";
import { createDirectory } from "../directory/directory.ts";
import { openDirectoryService } from "../directory-service.ts";
import type { PrincipalUid } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import { type Call, Problems } from "./command.ts";

/** Makes this process the user that the server's workers are, if it is root: what root writes into the store, they could not
 *  change. That is UserName, else the owner of DocumentRoot. For good. */
export async function actAsServer(config: Config): Promise<void> {
  process.umask(config.umask);
  if (process.getuid?.() !== 0) return;
  const identity = workerIdentity(config.UserName, config.GroupName) ?? (await ownerOf(config.DocumentRoot));
  if (identity !== undefined && identity.uid !== 0) become(identity);
}

const ownerOf = (path: string): Promise<Identity | undefined> =>
  stat(path).then(
    ({ uid, gid }) => ({ uid, gid }),
    () => undefined,
  );

/** Throws unless there is a store to look at. */
export async function demandStore({ DocumentRoot }: Config): Promise<void> {
  const there = await stat(DocumentRoot).catch(() => undefined);
  if (there?.isDirectory() !== true)
    throw new Problems([
      `DocumentRoot: ${DocumentRoot}: there is no store; it is made when the server is first started`,
    ]);
}

/** Opens the directory service. The caller closes it. What it warns of, caldavd says in its log. */
export async function openRecords(config: Config): Promise<DirectoryBackend> {
  return openDirectoryService(config, { startId: undefined, warn: () => undefined });
}

/** Principals and delegates, as the server has them. */
export interface Place {
  readonly config: Config;
  readonly records: DirectoryBackend;
  readonly delegates: Delegates;
  readonly directory: Directory;
}

/** Runs `work` with directory and delegate database open, as the server's user, whether the server runs or not. Throws what is
 *  wrong with either. */
export async function withPlace<T>(call: Call, work: (place: Place) => Promise<T>): Promise<T> {
  const config = await call.config();
  await demandStore(config);
  await actAsServer(config);
  const { storeIsUsed } = await import("../server.ts");
  const records = await openRecords(config);
  try {
    const delegates = await openDelegates({
      documentRoot: config.DocumentRoot,
      dataRoot: config.DataRoot,
      storeIsUsed: await storeIsUsed(config.DocumentRoot),
      warn: (message) => call.say(`warning: ${message}`),
    });
    const directory = createDirectory(records, delegates);
    try {
      return await work({ config, records, delegates, directory });
    } finally {
      delegates.close();
    }
  } finally {
    await records.close();
  }
}

/** `users:alice`: how principals are shown and may be written. */
export const nameOf = (principal: Principal): string => `${principal.type}:${principal.shortName}`;

/** The name for an uid, each looked up once; undefined for one that the directory does not know. */
export function namer(records: Pick<DirectoryBackend, "byUid">): (uid: PrincipalUid) => Promise<string | undefined> {
  const known = new Map<PrincipalUid, Promise<string | undefined>>();
  return (uid) => {
    const found = known.get(uid) ?? records.byUid(uid).then((principal) => principal && nameOf(principal));
    known.set(uid, found);
    return found;
  };
}
