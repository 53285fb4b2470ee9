import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Connection } from "./connection.mjs";
import { treeOf } from "./processes.mjs";

/** Requests a second that a bare node:http cluster answers to the same generator, and the CPU ms of one. */
export async function bareCluster({ workers, concurrency, seconds }) {
  const script = join(dirname(fileURLToPath(import.meta.url)), "bare-cluster.mjs");
  const child = spawn(process.execPath, [script, `${workers}`], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [line] = await once(child.stdout.setEncoding("utf8"), "data");
    const connections = Array.from({ length: concurrency }, () => new Connection("127.0.0.1", Number(line)));
    const loop = async (until) => {
      let done = 0;
      await Promise.all(
        connections.map(async (connection) => {
          while (performance.now() < until) {
            await connection.request("PROPFIND", "/", "Depth: 0\r\n", "<propfind/>");
            done++;
          }
        }),
      );
      return done;
    };
    await loop(performance.now() + 500);
    const before = treeOf(child.pid).cpu;
    const begun = performance.now();
    const done = await loop(begun + seconds * 1000);
    const took = (performance.now() - begun) / 1000;
    const cpu = treeOf(child.pid).cpu - before;
    for (const connection of connections) connection.close();
    return { rate: done / took, cpu: cpu / done };
  } finally {
    child.kill();
  }
}

/** Small files a second that can be made durable in `folder`, and the CPU ms of one: write, fsync, rename, fsync of the directory, so many at a time. */
export async function durableCreates({ folder, concurrency, seconds }) {
  const place = join(folder, "durable-creates");
  await mkdir(place, { recursive: true });
  const text = Buffer.alloc(900, "x");
  let number = 0;
  const before = process.cpuUsage();
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() - begun < seconds * 1000) {
        const name = join(place, `${number++}`);
        const file = await open(`${name}.new`, "wx");
        await file.write(text);
        await file.sync();
        await file.close();
        await rename(`${name}.new`, name);
        const directory = await open(place);
        await directory.sync();
        await directory.close();
      }
    }),
  );
  const took = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(before);
  await rm(place, { recursive: true });
  return { rate: number / took, cpu: (user + system) / 1000 / number };
}
