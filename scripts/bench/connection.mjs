import { connect } from "node:net";

const endOfHead = Buffer.from("\r\n\r\n");
const endOfChunks = Buffer.from("\r\n0\r\n\r\n");

/** One keep-alive connection, one request at a time. Written for a load generator: it does what HTTP/1.1 needs to read the
 *  answers of a server that behaves, and takes a fraction of what node:http's client takes. */
export class Connection {
  #host;
  #port;
  #authorization;
  #socket;
  #parts = [];
  #length = 0;
  /** Bytes of the whole answer, once its head says so. */
  #whole = -1;
  #bodyAt = 0;
  #head = "";
  #resolve;
  #reject;

  /** `authorization`: the header's value; undefined sends none. */
  constructor(host, port, authorization) {
    this.#host = host;
    this.#port = port;
    this.#authorization = authorization === undefined ? "" : `Authorization: ${authorization}\r\n`;
  }

  /** `headers`: whole lines with their line ends. Answers { status, head, body }; rejects when the connection breaks off. */
  async request(method, path, headers = "", body = "") {
    if (this.#socket === undefined || this.#socket.destroyed || !this.#socket.writable) await this.#open();
    const length = body === "" && method !== "PUT" ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(
        `${method} ${path} HTTP/1.1\r\nHost: ${this.#host}\r\n${this.#authorization}${headers}${length}\r\n${body}`,
      );
    });
  }

  close() {
    this.#socket?.destroy();
  }

  #open() {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#port, this.#host, resolve);
      socket.setNoDelay(true);
      this.#clear();
      this.#reject = reject;
      socket.on("data", (chunk) => this.#received(chunk));
      socket.on("error", (error) => this.#failed(socket, error));
      socket.on("close", () => this.#failed(socket, new Error("the server closed the connection without an answer")));
      this.#socket = socket;
    });
  }

  #clear() {
    this.#parts = [];
    this.#length = 0;
    this.#whole = -1;
    this.#resolve = undefined;
    this.#reject = undefined;
  }

  #failed(socket, error) {
    if (socket !== this.#socket) return;
    const reject = this.#reject;
    this.#clear();
    this.#socket = undefined;
    reject?.(error);
  }

  #received(chunk) {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    if (this.#whole === -1 && !this.#readHead()) return;
    if (this.#whole === Number.POSITIVE_INFINITY) {
      const all = this.#joined();
      if (!all.subarray(-endOfChunks.length).equals(endOfChunks)) return;
      this.#answer(unchunked(all.subarray(this.#bodyAt)));
    } else if (this.#length >= this.#whole) this.#answer(this.#joined().subarray(this.#bodyAt, this.#whole));
  }

  #readHead() {
    const all = this.#joined();
    const end = all.indexOf(endOfHead);
    if (end === -1) return false;
    this.#head = all.latin1Slice(0, end + 2);
    this.#bodyAt = end + 4;
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(this.#head)?.[1];
    const status = this.#status();
    if (status === 204 || status === 304) this.#whole = this.#bodyAt;
    else if (length !== undefined) this.#whole = this.#bodyAt + Number(length);
    else if (/\r\ntransfer-encoding: *chunked\r\n/i.test(this.#head)) this.#whole = Number.POSITIVE_INFINITY;
    else throw new Error(`an answer without a length: ${this.#head}`);
    return true;
  }

  #status() {
    return Number(this.#head.slice(9, 12));
  }

  #joined() {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts, this.#length)];
    return this.#parts[0];
  }

  #answer(body) {
    const resolve = this.#resolve;
    const answer = { status: this.#status(), head: this.#head, body };
    if (/\r\nconnection: *close\r\n/i.test(this.#head)) {
      this.#socket?.destroy();
      this.#socket = undefined;
    }
    this.#clear();
    resolve?.(answer);
  }
}

function unchunked(bytes) {
  const parts = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.latin1Slice(at, end), 16);
    if (!(size > 0)) return Buffer.concat(parts);
    parts.push(bytes.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

/** The value of a header; undefined when the answer has none. */
export const headerOf = ({ head }, name) => new RegExp(`\\r\\n${name}: *([^\\r]*)\\r\\n`, "i").exec(head)?.[1];

export const basic = (user, password) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
