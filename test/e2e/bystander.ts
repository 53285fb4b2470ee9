import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { basic } from "../support/http-client.ts";
import { repository, type Server } from "../support/server.ts";

/** What the bystander saw since it was asked last; milliseconds. */
export interface Seen {
  readonly polls: number;
  readonly worst: number;
  /** The most CPU time that the server's main thread used while one poll waited. */
  readonly busiest: number;
  readonly median: number;
  readonly problems: readonly string[];
}

/** A process that polls a calendar's ctag over one connection, about once a millisecond. */
export class Bystander {
  readonly #child: ChildProcess;

  constructor(server: Server, path: string, user: string) {
    const args = [`${server.port}`, path, basic(user), `${server.workers()[0]}`];
    this.#child = fork(join(repository, "test/e2e/bystander.mjs"), args, { execArgv: [] });
  }

  async seen(): Promise<Seen> {
    this.#child.send("report");
    const [seen] = (await once(this.#child, "message")) as [Seen];
    return seen;
  }

  end(): void {
    this.#child.disconnect();
  }
}
