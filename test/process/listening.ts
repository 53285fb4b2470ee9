import { connect, type Socket } from "node:net";
import { silentLogger } from "../../src/base/log.ts";
import type { Handler } from "../../src/http/message.ts";
import type { ListenerSettings } from "../../src/process/exchange.ts";
import { Listener } from "../../src/process/listener.ts";

/** A listener of a test, its access log, and the errors it logged. */
export interface Listening {
  readonly listener: Listener;
  readonly port: number;
  readonly lines: string[];
  readonly errors: string[];
}

export const listening = async (handler: Handler, settings: Partial<ListenerSettings> = {}): Promise<Listening> => {
  const lines: string[] = [];
  const errors: string[] = [];
  const log = {
    ...silentLogger,
    error: (message: string, details?: Readonly<Record<string, unknown>>) =>
      void errors.push(`${message}: ${details?.["error"]}`),
  };
  const listener = new Listener(
    handler,
    {
      worker: 1,
      product: "caldavd/test",
      maxConnections: 100,
      retryAfter: 180,
      idleTimeout: 15,
      keepAlive: true,
      extendedLog: true,
      ...settings,
    },
    (line) => void lines.push(line),
    log,
  );
  return { listener, lines, errors, port: await listener.listen(0, "127.0.0.1", 50) };
};

export interface Received {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A client that writes bytes and reads answers, with nothing in between. */
export class Wire {
  readonly socket: Socket;
  received = "";
  ended = false;
  reset = false;
  private wake: () => void = () => {};

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.received += text;
      this.wake();
    });
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      this.reset ||= error.code === "ECONNRESET";
    });
    this.socket.on("end", () => {
      this.ended = true;
      this.wake();
    });
    this.socket.on("close", () => {
      this.ended = true;
      this.wake();
    });
  }

  send(text: string): this {
    this.socket.write(text, "latin1");
    return this;
  }

  private async until<T>(what: string, look: () => T | undefined): Promise<T> {
    const end = Date.now() + 15_000;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (Date.now() > end)
        throw new Error(`waited in vain for ${what}; received so far: ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, 200);
      });
    }
  }

  /** The next answer, taken away from what was received. `bodiless`: to HEAD. */
  answer(bodiless = false): Promise<Received> {
    return this.until("an answer", () => {
      const at = this.received.indexOf("\r\n\r\n");
      if (at < 0) {
        if (this.ended) throw new Error(`ended without an answer: ${JSON.stringify(this.received)}`);
        return undefined;
      }
      const head = this.received.slice(0, at);
      const status = Number(head.slice(9, 12));
      const rest = this.received.slice(at + 4);
      if (bodiless || status < 200 || status === 204 || status === 304) {
        this.received = rest;
        return { status, head, body: "" };
      }
      const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
      if (length !== undefined) {
        if (rest.length < Number(length)) return undefined;
        this.received = rest.slice(Number(length));
        return { status, head, body: rest.slice(0, Number(length)) };
      }
      if (/transfer-encoding: chunked/i.test(head)) {
        let body = "";
        let from = 0;
        for (;;) {
          const line = rest.indexOf("\r\n", from);
          if (line < 0) return undefined;
          const size = Number.parseInt(rest.slice(from, line), 16);
          if (rest.length < line + 2 + size + 2) return undefined;
          body += rest.slice(line + 2, line + 2 + size);
          from = line + 2 + size + 2;
          if (size === 0) break;
        }
        this.received = rest.slice(from);
        return { status, head, body };
      }
      if (!this.ended) return undefined;
      this.received = "";
      return { status, head, body: rest };
    });
  }

  /** Resolves when the server has ended its side. */
  async end(): Promise<this> {
    await this.until("the end of the connection", () => (this.ended ? true : undefined));
    return this;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** One request on a connection of its own. */
export const once = async (port: number, text: string, bodiless = false): Promise<Received> => {
  const wire = new Wire(port);
  try {
    return await wire.send(text).answer(bodiless);
  } finally {
    wire.destroy();
  }
};
