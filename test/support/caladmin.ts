import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { repository, type Server } from "./server.ts";

export interface Said {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

// As startServer: what is built when scripts/test says so.
const program =
  process.env["CALDAVD_TEST_BUILT"] === undefined
    ? ["--import", "tsx", join(repository, "src/admin/caladmin.ts")]
    : [join(repository, "dist/admin/caladmin.js")];

/** Runs caladmin to its end. */
export async function runCaladmin(args: readonly string[], input = ""): Promise<Said> {
  const child = spawn(process.execPath, [...program, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [out, err, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { status: status as number | null, out, err };
}

/** caladmin for the store and the accounts of a server, or of the same folders without one. */
export const adminOf =
  (
    { documents, data }: Pick<Server, "documents" | "data">,
    settings: Readonly<Record<string, string>> = {},
    plist = join(repository, "plist/caldavd-test.plist"),
  ) =>
  (args: readonly string[], input?: string): Promise<Said> =>
    runCaladmin(
      [
        ...["-c", plist],
        ...Object.entries({ DocumentRoot: documents, DataRoot: data, ...settings }).flatMap(([key, value]) => [
          "-o",
          `${key}=${value}`,
        ]),
        ...args,
      ],
      input,
    );
