import type { Logger } from "../base/log.ts";
import { HttpError, type HttpRequest } from "../http/message.ts";
import type { Accepted, Accounts, AuthScheme, Verdict } from "./scheme.ts";

/** The longest token looked at: header fields end at 64 KB anyway. */
const maxLength = 65_536;

export interface NegotiateOptions {
  readonly accounts: Accounts;
  /** Authentication.Kerberos.ServicePrincipal: `HTTP/host`, `HTTP/host@REALM`; empty: HTTP at `host`. */
  readonly servicePrincipal: string;
  /** ServerHostName. */
  readonly host: string;
  /** Authentication.Kerberos.Keytab; empty: what the system says (KRB5_KTNAME, /etc/krb5.keytab). */
  readonly keytab: string;
  readonly log: Logger;
}

/** Kerberos by SPNEGO (RFC 4559). Undefined, with a line in the log, when there is no key or no library: then the method is not
 *  offered, and the server serves all the same. Each request carries a token of its own; one that comes twice is refused by the
 *  system's replay cache, which all workers share. */
export async function negotiate(options: NegotiateOptions): Promise<AuthScheme | undefined> {
  const { accounts, log } = options;
  // The library asks for it with each token; it reads the environment of this process.
  if (options.keytab !== "") process.env["KRB5_KTNAME"] = `FILE:${options.keytab}`;
  const library = await import(packageName).then(
    (loaded: { readonly default: Library }) => loaded.default,
    (error: unknown) => {
      log.warn("Authentication.Kerberos: the package kerberos cannot be loaded, so Kerberos is not offered", { error });
      return undefined;
    },
  );
  if (library === undefined) return undefined;
  const wanted = await keyFor(library, options);
  if (wanted === undefined) return undefined;
  log.info("Kerberos is offered", { principal: wanted });

  const judge = async (token: string, request: HttpRequest): Promise<Verdict> => {
    let name: string;
    let target: string;
    let response: string | null;
    try {
      // Any key of the keytab; which one the client has used is looked at below, for the case of its letters is its own.
      const context = await library.initializeServer("");
      await context.step(token);
      if (!context.contextComplete) return refused(log, request, "", "the client wants to go on talking");
      name = context.username;
      target = context.targetName;
      response = context.response;
    } catch (error) {
      return refused(log, request, "", error instanceof Error ? error.message : String(error));
    }
    if (target.toLowerCase() !== wanted.toLowerCase())
      return refused(log, request, name, `the ticket is for ${target}, not for ${wanted}`);
    const principal = (await accounts.user(`Kerberos:${name}`)) ?? (await accounts.user(ownName(name, target)));
    if (principal === undefined) {
      refused(log, request, name, "no user has this name or this authentication id");
      throw new HttpError(403, `You have signed in as ${name}, who is nobody here.`);
    }
    return { identity: { kind: "principal", principal }, headers: mutual(response) } satisfies Accepted;
  };
  return {
    name: "Negotiate",
    offered: () => true,
    challenge: () => "Negotiate",
    authenticate(credentials, request) {
      const token = credentials.trim();
      if (token.length > maxLength || !/^[A-Za-z0-9+/]+={0,2}$/.test(token))
        return refused(log, request, "", "the token is not base64");
      // What Windows sends when it has no ticket.
      if (token.startsWith("TlRMTVNT")) return refused(log, request, "", "the client offers NTLM, not Kerberos");
      return judge(token, request);
    },
  };
}

/** What is used of the package kerberos, in its own names. Its types are not imported: it is optional, and the server builds
 *  without it. */
interface Library {
  initializeServer(service: string): Promise<{
    readonly username: string;
    readonly targetName: string;
    readonly response: string | null;
    readonly contextComplete: boolean;
    step(token: string): Promise<string>;
  }>;
  /** The name of the key that the keytab has for the service. Rejects when it has none. */
  principalDetails(service: string, host: string): Promise<string>;
}
const packageName: string = "kerberos";

/** The name of the key that the keytab has for the service, realm included. 1.x called it http, everybody else HTTP. */
async function keyFor(
  library: Library,
  { servicePrincipal, host, log }: NegotiateOptions,
): Promise<string | undefined> {
  const [, type = "HTTP", name = host, realm] = /^([^/@]+)[/@]([^@]+)(?:@(.+))?$/.exec(servicePrincipal) ?? [];
  for (const one of new Set([type, type.toUpperCase(), type.toLowerCase()]))
    for (const where of new Set([name, name.toLowerCase()])) {
      const found = await library.principalDetails(one, where).catch(() => undefined);
      if (found !== undefined && (realm === undefined || found.endsWith(`@${realm}`))) return found;
    }
  log.warn(
    `Authentication.Kerberos: the keytab has no key for ${type}/${name}${realm === undefined ? "" : `@${realm}`}, so Kerberos is not offered`,
    { keytab: process.env["KRB5_KTNAME"] ?? "the system's" },
  );
  return undefined;
}

/** A name without its realm, if that is the service's own: another realm's alice is somebody else. */
const ownName = (name: string, target: string): string => {
  const realm = target.slice(target.lastIndexOf("@"));
  return name.endsWith(realm) ? name.slice(0, -realm.length) : name;
};

/** The server's proof of itself. Persistent-Auth: a connection that has signed in once is not signed in for good, which curl
 *  would take for granted. */
const mutual = (response: string | null): Readonly<Record<string, string>> => ({
  ...(response ? { "WWW-Authenticate": `Negotiate ${response}` } : {}),
  "Persistent-Auth": "false",
});

function refused(log: Logger, { remote }: HttpRequest, user: string, reason: string): "refused" {
  log.warn("a sign-in failed", { address: remote, scheme: "Negotiate", user, reason });
  return "refused";
}
