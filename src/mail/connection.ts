import { isCertificateProblem } from "../base/trust.ts";

/** How a mail server is spoken with. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  /** TLS from the beginning, after STARTTLS, or none: then nothing else is tried. */
  readonly tls: "implicit" | "starttls" | "none";
  /** A PEM file of the authorities that are believed; empty: those Node.js knows. */
  readonly caFile: string;
  /** Empty: nobody signs in. */
  readonly user: string;
  readonly password: string;
}

/** Why a mail server could not be used, as a sentence that says what an administrator has to look at. */
export class ConnectionProblem extends Error {
  /** Its certificate is not believed, or it cannot be known whom to believe. */
  readonly isCertificate: boolean;

  constructor(problem: string, cause: unknown, isCertificate = false) {
    super(problem, { cause });
    this.isCertificate = isCertificate;
  }
}

export function connectionProblem(error: unknown, { host, port, user }: ServerAddress): ConnectionProblem {
  const message = error instanceof Error ? error.message : String(error);
  const facts = error as {
    readonly code?: unknown;
    readonly authenticationFailed?: unknown;
    readonly response?: unknown;
  };
  const said = typeof facts.response === "string" && !message.includes(facts.response) ? `: ${facts.response}` : "";
  const place = `${host}:${port}`;
  if (facts.code === "EAUTH" || facts.code === "ENOAUTH" || facts.authenticationFailed === true)
    return new ConnectionProblem(`${place} does not let ${JSON.stringify(user)} sign in: ${message}${said}`, error);
  if (isCertificateProblem(error))
    return new ConnectionProblem(`the certificate of ${place} is not believed: ${message}`, error, true);
  if (facts.code === "ETLS") return new ConnectionProblem(`${place} speaks no TLS: ${message}`, error);
  return new ConnectionProblem(`${place}: ${message}${said}`, error);
}
