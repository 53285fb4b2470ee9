import type { ChildProcess } from "node:child_process";

interface Closable {
  close(): void;
}

const isClosable = (value: unknown): value is Closable =>
  typeof value === "object" && value !== null && "close" in value && typeof value.close === "function";

const numberIn = (message: unknown, name: "seq" | "ack"): number | undefined => {
  const value = typeof message === "object" && message !== null ? Reflect.get(message, name) : undefined;
  return typeof value === "number" ? value : undefined;
};

/** Ends connections that were being handed to a worker when it died. node:cluster keeps its copy of a connection until the worker
 *  says that it has it; a worker killed in between never says so, and the client would wait for ever on a connection that
 *  nobody reads (measured: one for nearly each `kill -9` when clients connect often). Closed, the client learns at once.
 *  Relies on two of node:cluster's own messages: the one that carries a handle has a `seq`, its answer an `ack`. Should a later
 *  Node change them, connections of a killed worker hang again, and nothing else happens. */
export const watchHandoffs = (worker: ChildProcess): void => {
  const underWay = new Map<number, Closable>();
  const send: unknown = worker.send;
  if (typeof send !== "function") return;
  Object.assign(worker, {
    send(...args: readonly unknown[]): unknown {
      const seq = numberIn(args[0], "seq");
      const handle = args[1];
      if (seq !== undefined && isClosable(handle)) underWay.set(seq, handle);
      return Reflect.apply(send, worker, args);
    },
  });
  worker.on("internalMessage", (message: unknown) => {
    const ack = numberIn(message, "ack");
    if (ack !== undefined) underWay.delete(ack);
  });
  worker.once("exit", () => {
    for (const handle of underWay.values()) handle.close();
    underWay.clear();
  });
};
