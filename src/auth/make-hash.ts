/** The form of a password to store for Basic: argon2id with what OWASP recommends (19 MB, two passes), some 40 ms. Loads the
 *  library. */
export async function hashOf(password: string): Promise<string> {
  const { default: argon2 } = await import("argon2");
  return argon2.hash(password, { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 });
}
