import { readFile } from "node:fs/promises";

/** Whose certificates node:tls is to believe: those of a PEM file; empty: those Node.js knows. Throws Error with the path when it cannot
 *  be read. */
export async function authoritiesIn(file: string): Promise<{ readonly ca?: Buffer }> {
  if (file === "") return {};
  try {
    return { ca: await readFile(file) };
  } catch (error) {
    throw new Error(`the certificates of authorities cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** Whether an error of a connection is about the other side's certificate, or about whom to believe. Node's own words for all that can
 *  be wrong have that in common; codes get lost on the way through libraries. */
export const isCertificateProblem = (error: unknown): boolean =>
  error instanceof Error && /certificate|altname/i.test(error.message);
