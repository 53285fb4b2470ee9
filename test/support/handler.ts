import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../src/base/log.ts";
import { loadConfigFile } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { createServer } from "../../src/server.ts";
import { requestOf, textOfBody } from "../dav/tree.ts";
import { repository } from "./server.ts";

/** Who asks: a user by short name (its password in the test accounts), null for a stranger, or a sudoer acting as a user. */
export type As = string | null | { readonly sudoer: string; readonly as: string };

export interface Said {
  readonly status: number;
  /** By lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The whole server without its sockets. */
export interface GivenHandler {
  readonly root: string;
  send(
    method: string,
    path: string,
    as: As,
    options?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string },
  ): Promise<Said>;
  end(): Promise<void>;
}

/** Starts what `plist/caldavd-test.plist` describes in this process, on an empty store. */
export async function givenHandler(changed: Partial<Config> = {}): Promise<GivenHandler> {
  const root = await mkdtemp(join(tmpdir(), "caldavd-handler-"));
  const { config, problems } = await loadConfigFile(join(repository, "plist/caldavd-test.plist"));
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  const { handle, close } = await createServer(
    { ...config, DocumentRoot: join(root, "Documents"), DataRoot: join(root, "Data"), ...changed },
    { worker: 1, startId: "first", log: silentLogger },
  );
  return {
    root,
    send: async (method, path, as, { headers = {}, body = "" } = {}) => {
      const answer = await handle(
        requestOf(method, path, { host: "localhost", ...authorization(as), ...headers }, body),
      );
      const text = await textOfBody(answer);
      const named = Object.entries(answer.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]);
      return { status: answer.status, headers: Object.fromEntries(named) as Record<string, string>, text };
    },
    end: async () => {
      await close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

function authorization(as: As): Record<string, string> {
  if (as === null) return {};
  const basic = (name: string): string => `Basic ${Buffer.from(`${name}:${name}`).toString("base64")}`;
  if (typeof as === "string") return { authorization: basic(as) };
  return { authorization: basic(as.sudoer), "x-authorize-as": as.as };
}
