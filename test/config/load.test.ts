import assert from "node:assert/strict";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { generateDefaultPlist } from "../../src/config/default-plist.ts";
import { isKey, type Section } from "../../src/config/key.ts";
import { configFrom, describeProblem, loadConfigFile } from "../../src/config/load.ts";
import { nearest } from "../../src/config/nearest.ts";
import { chapters, schema } from "../../src/config/schema.ts";
import { readPlist } from "../../src/xml/plist.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const from = (plist: unknown, ...overrides: string[]) =>
  configFrom(plist, { folder: "/etc/caldavd", overrides, workingFolder: "/home/me" });
const problemsOf = (plist: unknown, ...overrides: string[]): string[] =>
  from(plist, ...overrides).problems.map(describeProblem);

test("without a property list the defaults are those of 2.4, with port 8008 and principal listings", () => {
  const { config, problems, warnings } = from({});
  assert.deepEqual([problems, warnings], [[], []]);
  assert.equal(config.HTTPPort, 8008);
  assert.equal(config.EnablePrincipalListings, true);
  assert.equal(config.EnableAnonymousReadRoot, true);
  assert.equal(config.DocumentRoot, "/Library/CalendarServer/Documents");
  assert.equal(config.UserQuota, 104_857_600);
  assert.equal(config.MaximumAttachmentSize, 1_048_576);
  assert.equal(config.MaxAttendeesPerInstance, 100);
  assert.equal(config.MaxInstancesForRRULE, 400);
  assert.equal(config.MaxCollectionsPerHome, 50);
  assert.equal(config.MaxResourcesPerCollection, 10_000);
  assert.equal(config.MultiProcess.LoadBalancer.Scheduler, "LeastConnections");
  assert.equal(config.umask, 0o027);
  assert.equal(config.Authentication.Basic.Enabled, false);
  assert.equal(config.Authentication.Digest.Enabled, true);
});

test("the unmodified property list of 1.2 loads: no problem, no unknown key, no old name", async () => {
  const { config, problems, warnings } = await loadConfigFile(here("fixtures/shipped-1.2.plist"));
  assert.deepEqual(problems, []);
  assert.equal(config.DirectoryService.type, "opendirectory");
  assert.equal(config.DataRoot, "/var/run/caldavd");
  assert.equal(config.UserName, "calendar");
  assert.equal(config.Authentication.Digest.Qop, "");
  assert.deepEqual(warnings, ["EnableNotifications: has no effect in this server"]);
});

test("the unmodified property list of 2.4 loads: no problem, no unknown key", async () => {
  const { config, problems, warnings } = await loadConfigFile(here("fixtures/shipped-2.4.plist"));
  assert.deepEqual(problems, []);
  assert.equal(config.EnablePrincipalListings, false);
  assert.equal(config.Scheduling.iMIP.Sending.Port, 587);
  assert.notEqual(config.ServerHostName, "");
  assert.deepEqual(
    warnings.filter((warning) => !/has no effect in this (version|server)$/.test(warning)),
    [],
  );
});

test("key names from before 1.2 are read as today's, each with a warning", async () => {
  const { config, problems, warnings } = await loadConfigFile(here("fixtures/names-before-1.2.plist"));
  assert.deepEqual(problems, []);
  assert.deepEqual(config.BindAddresses, ["127.0.0.1"]);
  assert.equal(config.HTTPPort, 8080);
  assert.equal(config.SSLPort, 0);
  assert.equal(config.ProcessType, "Single");
  assert.equal(config.AccessLogFile, "/var/log/caldavd/server.log");
  assert.equal(config.MaximumAttachmentSize, 1000);
  assert.equal(config.UserQuota, 2000);
  assert.equal(config.EnableDropBox, true);
  assert.equal(config.EnableProxyPrincipals, false);
  assert.equal(config.Twisted.twistd, "/usr/bin/twistd");
  assert.equal(config.PythonDirector.pydir, "/usr/bin/pydir");
  assert.equal(config.PythonDirector.ConfigFile, "/etc/pydir.xml");
  assert.ok(warnings.includes("UserQuotaBytes: an old name, read as UserQuota"));
  assert.equal(warnings.filter((warning) => warning.includes("an old name")).length, 16);
});

test("an old name gives way to the new one", () => {
  const { config, warnings } = from({ UserQuota: 5, UserQuotaBytes: 6, SSLOnly: true });
  assert.equal(config.UserQuota, 5);
  assert.equal(config.HTTPPort, 0);
  assert.ok(warnings.includes("UserQuotaBytes: an old name for UserQuota, ignored because UserQuota is set too"));
});

test("all wrong values are reported at once, with key path, bound and what was found", () => {
  assert.deepEqual(
    problemsOf({
      MultiProcess: { ProcessCount: "eight", LoadBalancer: "yes" },
      HTTPPort: 70_000,
      EnableDropBox: 1,
      BindHTTPPorts: [8009, 0],
      DirectoryService: { type: "twistedcaldav.directory.nis.NISDirectoryService" },
      DocumentRoot: "nfs://files.example.com/calendars",
      RejectClients: ["(unclosed"],
      LogLevels: { store: "loud" },
      Scheduling: { iMIP: { Sending: { Password: 12345 } } },
    }),
    [
      "HTTPPort: must be a whole number from 0 to 65535, found 70000",
      "BindHTTPPorts: must be a list of port numbers from 1 to 65535, found the list 8009, 0",
      'DocumentRoot: must be the path of a local file or folder, found "nfs://files.example.com/calendars"',
      'DirectoryService.type: must be one of xml, ldap, opendirectory, activedirectory, apache-basic, apache-digest, sql, found "twistedcaldav.directory.nis.NISDirectoryService"',
      "EnableDropBox: must be true or false, found 1",
      'RejectClients: must be a list of regular expressions, found the list "(unclosed"',
      "Scheduling.iMIP.Sending.Password: must be text",
      'MultiProcess.ProcessCount: must be a whole number from 0 to 256, found "eight"',
      'MultiProcess.LoadBalancer: must be a dictionary, found "yes"',
      "LogLevels: must be a dictionary of levels (debug, info, warn, error) by part of the server, found a dictionary",
    ],
  );
});

test("a problem names the line of the file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-config-"));
  const path = join(folder, "caldavd.plist");
  await writeFile(path, '<plist version="1.0"><dict>\n<key>UserQuota</key>\n<string>much</string>\n</dict></plist>');
  const { problems } = await loadConfigFile(path);
  assert.deepEqual(problems.map(describeProblem), [
    'UserQuota: must be a whole number, 0 or more, found "much" (line 3)',
  ]);
});

test("ports that are listened on need the public port", () => {
  assert.deepEqual(problemsOf({ HTTPPort: 0, BindHTTPPorts: [8009], RedirectHTTPToHTTPS: true }), [
    "BindHTTPPorts: needs HTTPPort to be other than 0, found 8009",
    "RedirectHTTPToHTTPS: needs SSLPort to be other than 0, found SSLPort 0",
  ]);
});

test("unknown keys are warned of with the nearest known name, and are not fatal", () => {
  const { problems, warnings } = from({
    HTTPort: 1,
    ProcessCount: 2,
    MultiProcess: { ProcesCount: 2 },
    Zzz: {},
    Authentication: { Digest: { Enabled: true, Quality: "" } },
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(warnings, [
    "Authentication.Digest.Quality: not a known key, ignored",
    "MultiProcess.ProcesCount: not a known key, ignored; did you mean MultiProcess.ProcessCount?",
    "HTTPort: not a known key, ignored; did you mean HTTPPort?",
    "ProcessCount: not a known key, ignored; did you mean MultiProcess.ProcessCount?",
    "Zzz: not a known key, ignored",
  ]);
  assert.equal(nearest("userqouta", ["UserQuota", "UserName"]), "UserQuota");
});

test("dictionaries merge, lists and values replace", () => {
  const { config } = from({ MultiProcess: { ProcessCount: 3 }, BindAddresses: ["10.0.0.1"] });
  assert.equal(config.MultiProcess.ProcessCount, 3);
  assert.equal(config.MultiProcess.LoadBalancer.Enabled, true);
  assert.deepEqual(config.BindAddresses, ["10.0.0.1"]);
});

test("-o sets keys and keys in sections, as the type of the key, and wins over the file", () => {
  const { config, problems } = from(
    { HTTPPort: 1, EnableDropBox: false },
    "HTTPPort=18008",
    "MultiProcess/ProcessCount=2",
    "Authentication/Basic/Enabled=True",
    "EnableDropBox",
    "EnableProxyPrincipals=false",
    "BindAddresses=127.0.0.1,::1",
    "BindHTTPPorts=8009,8010",
    "AdminPrincipals=",
    "ServerHostName=calendar.example.com=x",
    "umask=022",
    "DefaultLogLevel=None",
  );
  assert.deepEqual(problems, []);
  assert.equal(config.HTTPPort, 18_008);
  assert.equal(config.MultiProcess.ProcessCount, 2);
  assert.equal(config.Authentication.Basic.Enabled, true);
  assert.equal(config.EnableDropBox, true);
  assert.equal(config.EnableProxyPrincipals, false);
  assert.deepEqual(config.BindAddresses, ["127.0.0.1", "::1"]);
  assert.deepEqual(config.BindHTTPPorts, [8009, 8010]);
  assert.deepEqual(config.AdminPrincipals, []);
  assert.equal(config.ServerHostName, "calendar.example.com=x");
  assert.equal(config.umask, 0o022);
  assert.equal(config.DefaultLogLevel, "");
});

test("-o of an unknown key, a dictionary or a wrong value is a problem", () => {
  assert.deepEqual(
    problemsOf({}, "HTTPort=1", "MultiProcess=4", "LogLevels=x", "EnableDropBox=yes", "HTTPPort=http", "HTTPPort/x=1"),
    [
      "-o HTTPort: is not a known key; did you mean HTTPPort?",
      "-o MultiProcess: is a dictionary; set its keys one by one, such as MultiProcess/ProcessCount",
      "-o LogLevels: is a dictionary, which only the property list can set",
      "-o HTTPPort/x: is not a known key",
      '-o HTTPPort: must be a whole number from 0 to 65535, found "http"',
      '-o EnableDropBox: must be true or false, found "yes"',
    ],
  );
});

test("relative paths start at the property list's folder, those of -o at the working folder", () => {
  const { config } = from({ DocumentRoot: "../store", SudoersFile: "" }, "DataRoot=data");
  assert.equal(config.DocumentRoot, "/etc/store");
  assert.equal(config.DataRoot, "/home/me/data");
  assert.equal(config.SudoersFile, "");
});

test("empty log and pid files are in DataRoot, None means there is none", () => {
  const { config } = from(
    { AccessLogFile: "", ErrorLogFile: "", PIDFile: "" },
    "DataRoot=/srv/data",
    "ErrorLogFile=None",
  );
  assert.equal(config.AccessLogFile, "/srv/data/access.log");
  assert.equal(config.ErrorLogFile, null);
  assert.equal(config.PIDFile, "/srv/data/caldavd.pid");
});

test("a missing file means defaults and a warning; a broken one is a problem that names the line", async () => {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-config-"));
  const missing = await loadConfigFile(join(folder, "none.plist"), ["HTTPPort=1"]);
  assert.deepEqual(missing.problems, []);
  assert.match(missing.warnings[0] ?? "", /none\.plist: no such file, the defaults are used$/);
  assert.equal(missing.config.HTTPPort, 1);
  const broken = join(folder, "broken.plist");
  await writeFile(broken, '<plist version="1.0"><dict>\n<key>HTTPPort</key></dict></plist>');
  assert.match((await loadConfigFile(broken)).problems.map(describeProblem).join(), /broken\.plist: line 2: /);
  await writeFile(broken, "bplist00\u0001\u0002");
  assert.match((await loadConfigFile(broken)).problems.map(describeProblem).join(), /binary property list/);
  await writeFile(broken, '<plist version="1.0"><array/></plist>');
  assert.match(
    (await loadConfigFile(broken)).problems.map(describeProblem).join(),
    /must be a dictionary, found an empty list/,
  );
});

test("the default plist in the repository is the one generated from the schema", async () => {
  assert.equal(await readFile(here("../../plist/caldavd.plist"), "utf8"), generateDefaultPlist());
});

test("the default plist has every key of the schema and no other, and loads without a warning", async () => {
  const keysOf = (section: Section, prefix = ""): string[] =>
    Object.entries(section).flatMap(([name, node]) =>
      isKey(node) ? [prefix + name] : keysOf(node, `${prefix}${name}.`),
    );
  const all = keysOf(schema);
  assert.deepEqual(
    chapters.flatMap(({ section }) => keysOf(section)),
    all,
  );
  const plist = readPlist(generateDefaultPlist());
  const present = (path: string): boolean =>
    path.split(".").reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], plist) !==
    undefined;
  assert.deepEqual(
    all.filter((path) => !present(path)),
    [],
  );
  const path = here("../../plist/caldavd.plist");
  const { config, problems, warnings } = await loadConfigFile(path);
  assert.deepEqual([problems, warnings], [[], []]);
  assert.equal(config.DocumentRoot, join(dirname(path), "../data/store/Documents"));
  assert.deepEqual(config.BindAddresses, ["127.0.0.1"]);
});

test("the test plist keeps everything of a server below its DataRoot and on loopback", async () => {
  const { config, problems } = await loadConfigFile(here("../../plist/caldavd-test.plist"), [
    "DocumentRoot=/tmp/x/Documents",
    "DataRoot=/tmp/x/Data",
    "HTTPPort=18008",
  ]);
  assert.deepEqual(problems, []);
  assert.deepEqual(config.BindAddresses, ["127.0.0.1"]);
  for (const path of [config.AccessLogFile, config.ErrorLogFile, config.PIDFile])
    assert.equal(dirname(path ?? ""), "/tmp/x/Data");
  assert.equal(config.Authentication.Basic.Enabled && config.Authentication.Digest.Enabled, true);
});
