import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A connection on which a test writes what no client library would. */
export class RawSocket {
  readonly socket: Socket;
  #received = "";
  #ended = false;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.setNoDelay(true).setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.#received += text;
    });
    // The server may cut the line; what it said before counts.
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => {
      this.#ended = true;
    });
  }

  get received(): string {
    return this.#received;
  }
  get ended(): boolean {
    return this.#ended;
  }

  /** Writes with back-pressure. False: the server has answered or hung up, so there is no point in sending more. */
  async write(data: string | Buffer): Promise<boolean> {
    if (this.#ended || this.#received !== "" || !this.socket.writable) return false;
    if (this.socket.write(data)) return true;
    await this.#any("drain", "close", "data");
    return !this.#ended && this.#received === "";
  }

  /** Waits for a whole answer (or the end of the connection) and takes it. */
  async answer(milliseconds = 30_000): Promise<{ readonly status: number; readonly text: string }> {
    const cut = setTimeout(() => this.socket.destroy(new Error("no answer in time")), milliseconds);
    while (!this.#ended && !isWhole(this.#received)) await this.#any("data", "close");
    clearTimeout(cut);
    const text = this.#received;
    this.#received = "";
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text };
  }

  async #any(...events: readonly string[]): Promise<void> {
    const settled = new AbortController();
    const { signal } = settled;
    await Promise.race(events.map((event) => once(this.socket, event, { signal }).catch(() => undefined)));
    settled.abort();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

function isWhole(received: string): boolean {
  const head = received.indexOf("\r\n\r\n");
  if (head < 0) return false;
  if (/^HTTP\/1\.1 (1\d\d|204|304)/.test(received)) return true;
  const length = /content-length: (\d+)/i.exec(received.slice(0, head))?.[1];
  return length === undefined ? received.endsWith("\r\n0\r\n\r\n") : received.length >= head + 4 + Number(length);
}
