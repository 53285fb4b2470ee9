import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { LineCollector, LinePipe } from "../../src/process/line-pipe.ts";

const module = new URL("../../src/process/line-pipe.ts", import.meta.url).href;
const writer = (name: string, count: number, after: string): string =>
  `import { LinePipe } from ${JSON.stringify(module)};
   const pipe = new LinePipe(3);
   for (let i = 0; i < ${count}; i++) pipe.write("${name} " + i + " " + "x".repeat(150) + "\\n");
   ${after}`;

const run = (fd: number, source: string): ReturnType<typeof spawn> =>
  spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", source], {
    stdio: ["ignore", "inherit", "inherit", fd],
  });

test("lines written before kill -9 of a worker arrive, all of them and once", async () => {
  const chunks: Buffer[] = [];
  const collector = new LineCollector((lines) => void chunks.push(Buffer.from(lines)));
  const child = run(collector.fd, writer("a", 100, 'process.kill(process.pid, "SIGKILL");'));
  const [, signal] = await once(child, "exit");
  assert.equal(signal, "SIGKILL");
  await collector.close();
  const lines = Buffer.concat(chunks).toString().split("\n").slice(0, -1);
  assert.deepEqual(
    lines.map((line) => line.split(" ")[1]),
    Array.from({ length: 100 }, (_, i) => `${i}`),
  );
});

test("lines of several workers never mix, and each chunk ends with a line", async () => {
  const seen = new Map<string, number>();
  const collector = new LineCollector((lines) => {
    assert.equal(lines.at(-1), 10);
    for (const line of lines.toString().split("\n").slice(0, -1)) {
      assert.match(line, /^[abc] \d+ x{150}$/);
      const [name = "", number] = line.split(" ");
      assert.equal(Number(number), (seen.get(name) ?? -1) + 1);
      seen.set(name, Number(number));
    }
  });
  const children = ["a", "b", "c"].map((name) => run(collector.fd, writer(name, 5_000, "")));
  await Promise.all(children.map((child) => once(child, "exit")));
  await collector.close();
  assert.deepEqual([...seen].sort(), [
    ["a", 4_999],
    ["b", 4_999],
    ["c", 4_999],
  ]);
});

test("a worker whose master does not read keeps lines up to its limit, loses later ones, and is not blocked", async () => {
  const chunks: Buffer[] = [];
  // Nothing is read before the loop turns.
  const collector = new LineCollector((lines) => void chunks.push(Buffer.from(lines)));
  const pipe = new LinePipe(collector.fd, 100_000);
  const line = `${"y".repeat(999)}\n`;
  for (let i = 0; i < 1_000; i++) pipe.write(line);
  assert.ok(pipe.lost > 500 && pipe.lost < 950, `${pipe.lost}`);
  const kept = 1_000 - pipe.lost;
  await new Promise<void>((resolve) => {
    const look = (): unknown => (Buffer.concat(chunks).length >= kept * 1_000 ? resolve() : setTimeout(look, 5));
    look();
  });
  await collector.close();
  assert.equal(Buffer.concat(chunks).toString(), line.repeat(kept));
});
