import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext, type TlsOptions } from "node:tls";
import type { TlsMaterial } from "./tls-files.ts";

/** Milliseconds a client may take to shake hands. */
const handshakeTime = 20_000;

/** Options of a TLS server: TLS 1.2 and 1.3, a certificate for the name the client asks for (SNI), sessions that every worker
 *  can resume. Only HTTP/1.1 is negotiated. HTTP/2 of Node goes through a layer of its own which costs a request twice the CPU
 *  (measured: 41 µs instead of 21), and of what it brings nothing is of use here: calendar clients keep a connection or two and ask one thing after the other. */
export const tlsOptions = ({ identities, ticketKeys }: TlsMaterial): TlsOptions => {
  const common = { minVersion: "TLSv1.2", ticketKeys: Buffer.from(ticketKeys, "base64") } as const;
  const known = identities.map(({ cert, key }) => ({
    certificate: new X509Certificate(cert),
    context: createSecureContext({ ...common, cert, key }),
  }));
  const contextFor = (name: string): SecureContext | undefined =>
    known.find(({ certificate }) => isIP(name) === 0 && certificate.checkHost(name) !== undefined)?.context ??
    known[0]?.context;
  const [first] = identities;
  return {
    ...common,
    ...first,
    handshakeTimeout: handshakeTime,
    ALPNProtocols: ["http/1.1"],
    // Where there is but one, asking costs a turn through JavaScript for nothing.
    ...(known.length < 2 ? {} : { SNICallback: (name, done) => done(null, contextFor(name)) }),
  };
};
