import { lookup, resolveSrv, resolveTxt } from "node:dns/promises";

/** A server that a SRV record names (RFC 2782). */
export interface Service {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** What is asked of the DNS. Answers nothing where there is nothing; throws when it could not be found out. */
export interface Names {
  services(name: string): Promise<readonly Service[]>;
  /** Each record as one text. */
  texts(name: string): Promise<readonly string[]>;
  addresses(host: string): Promise<readonly string[]>;
}

const absent = new Set(["ENOTFOUND", "ENODATA", "NXDOMAIN", "ESERVFAIL", "EBADNAME"]);

async function orNone<T>(asked: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await asked;
  } catch (error) {
    if (absent.has((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}

export const systemNames: Names = {
  services: (name) => orNone(resolveSrv(name)),
  texts: async (name) => (await orNone(resolveTxt(name))).map((parts) => parts.join("")),
  addresses: async (host) => (await orNone(lookup(host, { all: true }))).map(({ address }) => address),
};

/** Names from a zone file (Scheduling/iSchedule/DNSDebug): lines `name [seconds] [IN] SRV priority weight port target` and
 *  `name [seconds] [IN] TXT "text" …`, comments behind a semicolon outside quotes. Addresses are the system's. */
export function namesOf(zone: string): Names {
  const services = new Map<string, Service[]>();
  const texts = new Map<string, string[]>();
  for (const line of zone.split(/\r?\n/)) {
    const words = line.match(/"(?:[^"\\]|\\.)*"|;.*|[^\s;"]+/g)?.filter((word) => !word.startsWith(";")) ?? [];
    const [owner = "", ...rest] = words;
    const fields = rest.slice(rest.findIndex((word) => !/^(\d+|IN)$/i.test(word)));
    const name = plain(owner);
    const [type = "", ...values] = fields;
    if (type.toUpperCase() === "SRV") {
      const [priority, weight, port, target = ""] = values;
      const service = { priority: Number(priority), weight: Number(weight), port: Number(port), name: plain(target) };
      services.set(name, [...(services.get(name) ?? []), service]);
    }
    if (type.toUpperCase() === "TXT") {
      const text = values.map((value) => value.replace(/^"|"$/g, "").replace(/\\(.)/g, "$1")).join("");
      texts.set(name, [...(texts.get(name) ?? []), text]);
    }
  }
  return {
    services: async (name) => services.get(plain(name)) ?? [],
    texts: async (name) => texts.get(plain(name)) ?? [],
    addresses: systemNames.addresses,
  };
}

const plain = (name: string): string => name.toLowerCase().replace(/\.$/, "");

/** In the order in which they are to be tried: by priority, and among equals by chance as their weights say (RFC 2782). */
export function inOrder(services: readonly Service[], chance: () => number = Math.random): readonly Service[] {
  const left = [...services].sort((a, b) => a.priority - b.priority);
  const order: Service[] = [];
  while (left.length > 0) {
    const same = left.filter(({ priority }) => priority === left[0]?.priority);
    let at = chance() * same.reduce((sum, { weight }) => sum + weight, 0);
    const found =
      same.find(({ weight }) => {
        at -= weight;
        return at <= 0;
      }) ?? same[0];
    if (found === undefined) break;
    order.push(found);
    left.splice(left.indexOf(found), 1);
  }
  return order;
}
