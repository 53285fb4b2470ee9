import { choice, flag, path, patterns, type Section, text, whole } from "./key.ts";

/** Invitations to and from other servers. */
export const iSchedule = {
  Enabled: flag(false, "Exchange invitations and busy time with other servers."),
  AddressPatterns: patterns(
    [],
    "Regular expressions of the start of addresses that are reached through them; none means all whose server is known.",
  ),
  DomainMap: path(
    "/etc/caldavd/ischeduledomainmap.properties",
    "The servers of domains, a line domain=URL for each; read again when it changes.",
  ),
  RemoteServers: path("/etc/caldavd/remoteservers.xml", "The original's list of servers; read again when it changes."),
  Servers: path("/etc/caldavd/servertoserver.xml", "The same list, where version 2 had it."),
  TLSCACertFile: path(
    "",
    "The authorities whose certificates are believed of servers with https, PEM; empty means those Node.js knows.",
  ),
  UseDNS: flag(false, "Look the servers of other domains up in the DNS."),
  DNSDebug: path("", "A zone file that is asked instead of the DNS, for tests."),
  SerialNumber: whole(
    1,
    [0, 2_147_483_647],
    "Raise it when the capabilities change, so that other servers ask for them again.",
  ),
  DKIM: {
    Enabled: flag(false, "Sign what is sent."),
    Domain: text("", "The domain of this server's mail addresses; empty means ServerHostName."),
    KeySelector: text("ischedule", "The name of the key below that domain."),
    SignatureAlgorithm: choice(
      ["rsa-sha256", "rsa-sha1"],
      "rsa-sha256",
      "The algorithm; rsa-sha1 is for servers that know nothing else.",
    ),
    UseDNSKey: flag(true, "Others find the key in the DNS."),
    UseHTTPKey: flag(true, "Others find the key at /.well-known/domainkey/ of the domain."),
    UsePrivateExchangeKey: flag(true, "Others have been given the key."),
    ExpireSeconds: whole(3600, [60, 604_800], "Seconds that a signature holds."),
    PrivateKeyFile: path("", "The private key, PEM; caladmin dkim makes one."),
    PublicKeyFile: path("", "Its public key, PEM; empty means that it is worked out from the private one."),
    PrivateExchanges: path("", "A folder with keys that others have handed over, in files domain#selector."),
    ProtocolDebug: flag(false, "Tell senders why their signature was not accepted."),
  },
} satisfies Section;
