import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Ran {
  readonly code: number | null;
  /** Standard output and error as they came. */
  readonly output: string;
}

/** Runs a program of the system to its end. Throws a sentence that names the Debian package when it is not there. */
export async function runProgram(
  name: string,
  args: readonly string[],
  options: {
    readonly package: string;
    readonly cwd?: string;
    readonly input?: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<Ran> {
  const child = spawn(name, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C.UTF-8", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return { code, output };
  } catch (error) {
    throw new Error(`${name} cannot be run: install it with "apt-get install ${options.package}"`, { cause: error });
  }
}
