import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeCrowd } from "./crowd.mjs";

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  return port;
}

/** Starts the built server with the test accounts and a crowd on a store of its own below `folder` (default: the system's folder for
 *  temporary files). Answers where it is, its process id, and how to end it. */
export async function startServer({ workers, folder = tmpdir() }) {
  if (!existsSync(join(repository, "dist/main.js")))
    throw new Error("the server is not built yet: run scripts/setup first");
  const root = await mkdtemp(join(folder, "caldavd-bench-"));
  for (const name of ["Documents", "Data"]) await mkdir(join(root, name), { mode: 0o750 });
  const accounts = join(root, "accounts.xml");
  await writeCrowd(join(repository, "data/accounts-test.xml"), accounts);
  const port = await freePort();
  const settings = {
    HTTPPort: port,
    DocumentRoot: join(root, "Documents"),
    DataRoot: join(root, "Data"),
    "MultiProcess/ProcessCount": workers,
    UserQuota: 0,
    MaxAttendeesPerInstance: 0,
    "Scheduling/Options/LimitFreeBusyAttendees": 0,
    MaxResourcesPerCollection: 0,
    MaxCollectionsPerHome: 0,
    "DirectoryService/params/xmlFile": accounts,
  };
  const child = spawn(
    process.execPath,
    [
      ...[join(repository, "dist/main.js"), "-X", "-f", join(repository, "plist/caldavd-test.plist")],
      ...Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let printed = "";
  child.stdout.setEncoding("utf8");
  while (!printed.includes("caldavd: ready on ")) {
    const [text] = await Promise.race([once(child.stdout, "data"), once(child, "exit").then(() => [undefined])]);
    if (text === undefined) throw new Error(`the server did not start:\n${printed}`);
    printed += text;
  }
  child.stdout.resume();
  return {
    root,
    host: "127.0.0.1",
    port,
    pid: child.pid,
    async stop() {
      const ended = once(child, "exit");
      child.kill();
      await ended;
      await rm(root, { recursive: true, force: true });
    },
  };
}
