import { readFile } from "node:fs/promises";
import { type Element, isElement } from "../xml/element.ts";
import { readXml } from "../xml/read.ts";
import { type Backend, Balancer } from "./balancer.ts";
import { reasonOf } from "./prepare.ts";
import { patience } from "./protocol.ts";
import { begin, end, fail, onStop, type RunOptions, readyLine, StartError } from "./run.ts";
import type { ListenAddress } from "./settings.ts";

const localName = (element: Element): string => element.name.slice(element.name.indexOf("}") + 1);

const children = (element: Element, name: string): readonly Element[] =>
  element.children.filter((child): child is Element => isElement(child) && localName(child) === name);

const addressOf = (text: string | undefined): Backend => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:]*)):(\d{1,5})$/i.exec(text ?? "");
  const port = Number(match?.[3]);
  if (match === null || !(port >= 1 && port <= 65_535))
    throw new Error(`${JSON.stringify(text ?? "")} is no "address:port"`);
  return { host: match[1] ?? match[2] ?? "", port };
};

/** The hosts of a service ("http", else the only one; "https", for TLS, must be named so) in a load balancer file of the original, PythonDirector/ConfigFile:
 *  `<pdconfig><service name="http"><group name="main"><host ip="10.0.0.1:8008"/>…`. Throws Error with what is missing. */
export const readDirectorFile = (text: string, name: "http" | "https" = "http"): readonly Backend[] => {
  const root = readXml(text);
  const services = children(root, "service");
  const service =
    services.find((one) => one.attributes["name"] === name) ?? (name === "http" ? services[0] : undefined);
  if (service === undefined) throw new Error(name === "http" ? "has no <service>" : 'has no <service name="https">');
  const enabled = children(service, "enable")[0]?.attributes["group"];
  const groups = children(service, "group");
  const group = groups.find((one) => enabled !== undefined && one.attributes["name"] === enabled) ?? groups[0];
  const hosts = group === undefined ? [] : children(group, "host").map((host) => addressOf(host.attributes["ip"]));
  if (hosts.length === 0) throw new Error("names no <host>");
  return hosts;
};

/** ProcessType Master: this process passes connections on to Slaves on other hosts, named in `directorFile`. Resolves when it
 *  listens. Throws StartError. */
export const runBalancer = async <C>(options: RunOptions<C>, directorFile: string): Promise<void> => {
  process.title = "caldavd: balancer";
  const { settings } = options.launch;
  const services = [...new Set(settings.addresses.map(({ secure }) => (secure === true ? "https" : "http")))];
  const backends = await readFile(directorFile, "utf8")
    .then((text) => services.map((service) => [service, readDirectorFile(text, service)] as const))
    .catch((error: unknown) => {
      throw new StartError([`PythonDirector.ConfigFile: ${directorFile}: ${reasonOf(error)}`], { cause: error });
    });
  const logs = await begin(options, undefined);
  const { scheduler } = settings;
  const log = logs.log.named("balancer");
  // TLS goes through as it comes: the servers behind speak it.
  const balancers = new Map(backends.map(([service, hosts]) => [service, new Balancer(hosts, { scheduler, log })]));
  const addresses: ListenAddress[] = [];
  try {
    for (const { host, port, secure = false } of settings.addresses) {
      const balancer = balancers.get(secure ? "https" : "http");
      if (balancer !== undefined)
        addresses.push({ host, port: await balancer.listen(port, host, settings.backlog), secure });
    }
  } catch (error) {
    await fail(logs, settings.pidFile, error);
  }
  onStop(
    () =>
      void Promise.all([...balancers.values()].map((one) => one.drain(patience))).then(() =>
        end(logs, settings.pidFile, 0),
      ),
    () => process.exit(1),
  );
  process.on("SIGUSR1", () => void logs.reopen());
  process.on("SIGHUP", () => logs.log.warn("the balancer reads its configuration only at its start"));
  options.announce(readyLine(addresses, backends[0]?.[1].length ?? 0));
};
