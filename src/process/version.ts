import { readFileSync } from "node:fs";

const readVersion = (): string => {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { readonly version?: unknown };
  return typeof version === "string" ? version : "0";
};

/** The version in package.json. */
export const version: string = readVersion();

/** What the server calls itself in the `Server` header. */
export const product = `caldavd/${version}`;
