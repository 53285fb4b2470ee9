// Writes the time zones that ship with the server, from the files of the system (Debian's package tzdata): data/zones/zones.txt
// (offsets), tzdata.zi (the source, for definitions) and leap-seconds.txt. Run it after `apt-get install tzdata` brought a newer
// release:
//
//   node --import tsx scripts/make-zones.mjs [/usr/share/zoneinfo]
//
// The files list every transition until 2037 and end with the rule that goes on from there; the transitions which the rule
// gives anyway are left out here.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { eachPosixTransition, parsePosixRule } from "../src/ical/zone-posix.ts";

const source = process.argv[2] ?? "/usr/share/zoneinfo";
const target = fileURLToPath(new URL("../data/zones/zones.txt", import.meta.url));
const text = readFileSync(join(source, "tzdata.zi"), "latin1");
const release = /^# version (\S+)/.exec(text)?.[1];
if (release === undefined) throw new Error(`${source}/tzdata.zi does not start with its version`);

/** The 64-bit part of a TZif file (RFC 8536 §3): types, transitions and the rule after them. */
function readZoneFile(name) {
  const bytes = readFileSync(join(source, name));
  if (bytes.toString("latin1", 0, 4) !== "TZif" || bytes[4] < 0x32)
    throw new Error(`${name}: not a TZif file of version 2`);
  const counts = (at) => [0, 1, 2, 3, 4, 5].map((i) => bytes.readUInt32BE(at + 20 + i * 4));
  const [utcs, stds, leaps, times, types, chars] = counts(0);
  const header = 44 + times * 5 + types * 6 + chars + leaps * 8 + stds + utcs;
  const [utcs2, stds2, leaps2, times2, types2, chars2] = counts(header);
  const at = header + 44;
  const typesAt = at + times2 * 9;
  const namesAt = typesAt + types2 * 6;
  const end = namesAt + chars2 + leaps2 * 12 + stds2 + utcs2;
  return {
    types: Array.from({ length: types2 }, (_, i) => {
      const from = namesAt + bytes[typesAt + i * 6 + 5];
      return {
        offset: bytes.readInt32BE(typesAt + i * 6),
        daylight: bytes[typesAt + i * 6 + 4] === 1,
        name: bytes.toString("latin1", from, bytes.indexOf(0, from)),
      };
    }),
    transitions: Array.from({ length: times2 }, (_, i) => ({
      at: Number(bytes.readBigInt64BE(at + i * 8)),
      type: bytes[at + times2 * 8 + i],
    })),
    rule: bytes.toString("latin1", end + 1, bytes.length - 1),
  };
}

/** Whether the first `count` transitions and the rule after them give all of them again. */
function complete({ types, transitions, rule }, count) {
  if (count === transitions.length) return true;
  if (rule === "") return false;
  const last = transitions[count - 1]?.at ?? Number.NEGATIVE_INFINITY;
  const end = transitions.at(-1).at;
  const from = count > 0 ? 1969 + Math.floor(last / 31_556_952) : 1880;
  let next = count;
  let right = true;
  eachPosixTransition(parsePosixRule(rule), from, 2038, (at, offset) => {
    if (at <= last || at > end) return;
    const wanted = transitions[next++];
    right &&= wanted?.at === at && types[wanted.type].offset === offset;
  });
  return right && next === transitions.length;
}

/** The transitions that the rule does not give. */
function needed(zone) {
  let count = zone.transitions.length;
  while (count > 0 && complete(zone, count - 1)) count--;
  return zone.transitions.slice(0, count);
}

function zoneLine(name) {
  const zone = readZoneFile(name);
  const kept = needed(zone);
  const types = zone.types.map(({ offset, daylight, name }) => `${offset}${daylight ? "!" : ","}${name}`);
  let last = 0;
  const transitions = kept.map(({ at, type }) => {
    const token = `${type.toString(36)}${(at - last).toString(36)}`;
    last = at;
    return token;
  });
  if (zone.types.length > 36) throw new Error(`${name}: more than 36 local time types`);
  return [name, types.join(" "), transitions.join(" "), zone.rule].join("\t");
}

const names = [...text.matchAll(/^Z (\S+)/gm)].map(([, name]) => name);
const links = new Map([...text.matchAll(/^L (\S+) (\S+)/gm)].map(([, to, from]) => [from, to]));
const known = (name) => name !== "Factory" && existsSync(join(source, name));

// Every zone file of the system must be in the result, under its own name or as a link.
function* filesBelow(folder) {
  for (const entry of readdirSync(join(source, folder))) {
    const path = folder === "" ? entry : `${folder}/${entry}`;
    if (["posix", "right", "localtime", "posixrules", "Factory"].includes(path)) continue;
    if (statSync(join(source, path)).isDirectory()) yield* filesBelow(path);
    else if (readFileSync(join(source, path)).toString("latin1", 0, 4) === "TZif") yield path;
  }
}
for (const path of filesBelow(""))
  if (!names.includes(path) && !links.has(path)) throw new Error(`${path} is a zone file that tzdata.zi does not name`);

const lines = [
  `# IANA time zones ${release}. Written by scripts/make-zones.mjs from Debian's tzdata, which is in the public domain.`,
  "# A zone: name, its local time types (seconds east of UTC, `!` if daylight saving else `,`, abbreviation), its",
  "# transitions (one base 36 digit for the type, then base 36 seconds since the one before, the first since 1970), and the",
  "# POSIX rule that holds after them; separated by tabs. The first type holds before the first transition.",
  "# A link: name, `=`, the zone it means.",
  ...names.filter(known).sort().map(zoneLine),
  ...[...links]
    .filter(([from]) => known(from))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([from, to]) => `${from}\t=\t${to}`),
];
writeFileSync(target, `${lines.join("\n")}\n`);

// The source as it is, for writing VTIMEZONEs with the rules that people made.
writeFileSync(join(dirname(target), "tzdata.zi"), text, "latin1");

// leap-seconds.list counts seconds since 1900.
const leapLines = readFileSync(join(source, "leap-seconds.list"), "latin1").split("\n");
const dateOf = (ntp) => new Date((Number(ntp) - 2_208_988_800) * 1000).toISOString().slice(0, 10);
const expires = leapLines.find((line) => line.startsWith("#@")).split("\t")[1];
const leaps = leapLines.filter((line) => /^\d/.test(line)).map((line) => line.split(/\s+/));
writeFileSync(
  join(dirname(target), "leap-seconds.txt"),
  [
    "# UTC is so many seconds behind TAI from that day on. Written by scripts/make-zones.mjs from leap-seconds.list.",
    `expires ${dateOf(expires)}`,
    ...leaps.map(([onset, offset]) => `${dateOf(onset)} ${offset}`),
    "",
  ].join("\n"),
);

// The Windows names must all lead somewhere.
const windows = JSON.parse(readFileSync(fileURLToPath(new URL("../data/zones/windows.json", import.meta.url)), "utf8"));
for (const [name, zone] of Object.entries(windows))
  if (!names.includes(zone) && !links.has(zone)) throw new Error(`windows.json: ${name} names no zone: ${zone}`);
console.log(`data/zones/zones.txt: ${release}, ${names.length} zones, ${links.size} links`);
