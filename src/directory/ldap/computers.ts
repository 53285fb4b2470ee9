import { readPlist } from "../../xml/plist.ts";
import { valuesOf } from "./entry-record.ts";
import type { Filters } from "./filters.ts";
import type { Lookup } from "./lookup.ts";

/** The `<computer GUID>:<virtual host GUID>:calendar` tags, in lower case, by which records of Open Directory name this server
 *  (darwin/2 §6.5): its computer record's service information has a virtual host of that name with a calendar service. */
export async function calendarServices(
  lookup: Pick<Lookup, "entries">,
  filters: Filters,
  serverHostName: string,
): Promise<ReadonlySet<string>> {
  const tags = new Set<string>();
  const computers = await lookup.entries(filters.present("apple-serviceinfo"), [
    "apple-generateduid",
    "apple-serviceinfo",
  ]);
  for (const computer of computers) {
    const [guid] = valuesOf(computer, "apple-generateduid").map(String);
    if (guid === undefined) continue;
    for (const text of valuesOf(computer, "apple-serviceinfo"))
      for (const host of calendarHosts(String(text), serverHostName))
        tags.add(`${guid}:${host}:calendar`.toLowerCase());
  }
  return tags;
}

/** GUIDs of the virtual hosts with a calendar service. */
function calendarHosts(text: string, hostName: string): readonly string[] {
  let plist: unknown;
  try {
    plist = readPlist(text);
  } catch {
    return [];
  }
  const hosts = member(plist, "com.apple.macosxserver.virtualhosts");
  if (typeof hosts !== "object" || hosts === null) return [];
  return Object.entries(hosts).flatMap(([guid, host]: [string, unknown]) => {
    const name = member(host, "hostname");
    const types = member(host, "serviceType");
    const serves = types === "calendar" || (Array.isArray(types) && types.includes("calendar"));
    return serves && typeof name === "string" && name.toLowerCase() === hostName.toLowerCase() ? [guid] : [];
  });
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
