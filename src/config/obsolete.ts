type Dictionary = Readonly<Record<string, unknown>>;

/** Key names from before version 1.2, and of builds between releases, that only changed their names. The new place, from the top. */
const renamed: Readonly<Record<string, readonly string[]>> = {
  BindAddress: ["BindAddresses"],
  ServerLogFile: ["AccessLogFile"],
  MaximumAttachmentSizeBytes: ["MaximumAttachmentSize"],
  UserQuotaBytes: ["UserQuota"],
  DropBoxEnabled: ["EnableDropBox"],
  NotificationsEnabled: ["EnableNotifications"],
  CalendarUserProxyEnabled: ["EnableProxyPrincipals"],
  SACLEnable: ["EnableSACLs"],
  ServerType: ["ProcessType"],
  Port: ["HTTPPort"],
  EnableSharing: ["Sharing", "Enabled"],
  twistdLocation: ["Twisted", "twistd"],
  pydirLocation: ["PythonDirector", "pydir"],
  pydirConfig: ["PythonDirector", "ConfigFile"],
};

const nested = (value: unknown): Dictionary =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Dictionary) : {};

/** Sets `value` at the place unless something stands there already: the new name wins. */
function place(plist: Record<string, unknown>, [first, ...rest]: readonly string[], value: unknown): boolean {
  if (first === undefined) return false;
  if (rest.length === 0) {
    if (Object.hasOwn(plist, first)) return false;
    plist[first] = value;
    return true;
  }
  const section = { ...nested(plist[first]) };
  const placed = place(section, rest, value);
  if (placed) plist[first] = section;
  return placed;
}

/** The property list with the key names of versions before 1.2 replaced by today's. One warning for each. */
export function withoutObsoleteNames(plist: Dictionary, warn: (message: string) => void): Dictionary {
  const result: Record<string, unknown> = { ...plist };
  const moved = (old: string, to: readonly string[], value: unknown): void => {
    const name = to.join(".");
    if (place(result, to, value)) warn(`${old}: an old name, read as ${name}`);
    else warn(`${old}: an old name for ${name}, ignored because ${name} is set too`);
  };
  for (const [old, to] of Object.entries(renamed)) {
    if (!Object.hasOwn(plist, old)) continue;
    delete result[old];
    const value = plist[old];
    moved(old, to, old === "BindAddress" && typeof value === "string" ? (value === "" ? [] : [value]) : value);
  }
  // Two switches that are now a port of 0. They say "no HTTP" and "no HTTPS" whatever the ports are.
  for (const [old, when, port] of [
    ["SSLOnly", true, "HTTPPort"],
    ["SSLEnable", false, "SSLPort"],
  ] as const) {
    if (!Object.hasOwn(plist, old)) continue;
    delete result[old];
    if (plist[old] === when) result[port] = 0;
    warn(`${old}: an old name, read as ${plist[old] === when ? `${port} 0` : "nothing"}`);
  }
  if (Object.hasOwn(plist, "RunStandalone")) {
    delete result["RunStandalone"];
    warn("RunStandalone: an old name, ignored");
  }
  return result;
}
