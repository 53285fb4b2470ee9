import type { Level } from "../base/log.ts";
import type { Config } from "../config/schema.ts";
import type { Scheduler } from "./schedule.ts";
import type { TlsFiles } from "./tls-files.ts";

/** One place to listen on. `host` undefined: all addresses. Port 0: any free one. */
export interface ListenAddress {
  readonly host: string | undefined;
  readonly port: number;
  /** TLS is spoken there. */
  readonly secure?: boolean;
}

/** The keys of the plist that processes need, and no others. Travels from the master to its workers, so it is plain data. */
export interface ProcessSettings {
  readonly serverHostName: string;
  readonly addresses: readonly ListenAddress[];
  /** undefined: no TLS. */
  readonly tls?: TlsFiles | undefined;
  readonly backlog: number;
  /** Workers; never 0. */
  readonly processCount: number;
  readonly scheduler: Scheduler;
  /** Milliseconds between the starts of two workers. */
  readonly stagger: number;
  readonly maxConnections: number;
  /** Seconds. */
  readonly idleTimeout: number;
  /** Seconds. */
  readonly retryAfter: number;
  readonly keepAlive: boolean;
  readonly extendedLog: boolean;
  readonly rotateAccessLog: boolean;
  /** undefined: none is written. */
  readonly accessLogFile: string | undefined;
  /** undefined: standard output. */
  readonly errorLogFile: string | undefined;
  readonly logLevel: Level;
  readonly logLevels: Readonly<Record<string, Level>>;
  readonly pidFile: string | undefined;
  readonly umask: number;
  /** Empty: no change. */
  readonly userName: string;
  readonly groupName: string;
  /** Authentication.Kerberos.Enabled. */
  readonly kerberos?: boolean;
  readonly documentRoot: string;
  readonly dataRoot: string;
}

/** The original's 50 is too few for a burst: measured, of 300 clients that connect at once, the kernel reset ten. */
const leastBacklog = 511;

/** `cores`: what a ProcessCount of 0 means. `foreground`: the error log goes to standard output (-X). */
export const processSettings = (config: Config, cores: number, foreground: boolean): ProcessSettings => {
  const ports = config.BindHTTPPorts.length > 0 ? config.BindHTTPPorts : config.HTTPPort === 0 ? [] : [config.HTTPPort];
  const sslPorts = config.BindSSLPorts.length > 0 ? config.BindSSLPorts : config.SSLPort === 0 ? [] : [config.SSLPort];
  const hosts = config.BindAddresses.length > 0 ? config.BindAddresses : [undefined];
  const { StaggeredStartup, ProcessCount, LoadBalancer } = config.MultiProcess;
  return {
    serverHostName: config.ServerHostName,
    addresses: [
      ...hosts.flatMap((host) => ports.map((port) => ({ host, port }))),
      ...hosts.flatMap((host) => sslPorts.map((port) => ({ host, port, secure: true }))),
    ],
    tls:
      config.SSLPort === 0
        ? undefined
        : {
            certificate: config.SSLCertificate,
            privateKey: config.SSLPrivateKey,
            chain: config.SSLAuthorityChain,
            dialog: config.SSLPassPhraseDialog,
            more: config.SSLMoreCertificates,
            host: config.ServerHostName,
            port: config.SSLPort,
            dataRoot: config.DataRoot,
          },
    backlog: Math.max(config.ListenBacklog, leastBacklog),
    processCount: ProcessCount === 0 ? cores : ProcessCount,
    scheduler: LoadBalancer.Scheduler,
    stagger: StaggeredStartup.Enabled ? StaggeredStartup.Interval * 1000 : 0,
    maxConnections: config.MaxRequests,
    idleTimeout: config.IdleConnectionTimeOut,
    retryAfter: config.HTTPRetryAfter,
    keepAlive: config.EnableKeepAlive,
    extendedLog: config.EnableExtendedAccessLog,
    rotateAccessLog: config.RotateAccessLog,
    accessLogFile: config.AccessLogFile ?? undefined,
    errorLogFile: foreground ? undefined : (config.ErrorLogFile ?? undefined),
    logLevel: config.DefaultLogLevel === "" ? "warn" : config.DefaultLogLevel,
    logLevels: config.LogLevels,
    pidFile: config.PIDFile ?? undefined,
    umask: config.umask,
    userName: config.UserName,
    groupName: config.GroupName,
    kerberos: config.Authentication.Kerberos.Enabled,
    documentRoot: config.DocumentRoot,
    dataRoot: config.DataRoot,
  };
};

/** `http://127.0.0.1:8008/`, or https: where a person reaches the server, for messages. A wildcard address is shown as loopback. */
export const urlOf = ({ host, port, secure }: ListenAddress): string => {
  const name = host === undefined || host === "" || host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `${secure === true ? "https" : "http"}://${name.includes(":") ? `[${name}]` : name}:${port}/`;
};
