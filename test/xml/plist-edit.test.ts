import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type PlistValue, readPlist } from "../../src/xml/plist.ts";
import { withPlistValue } from "../../src/xml/plist-edit.ts";

const file = (inner: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0">\n${inner}\n</plist>\n`;

const text = file(`<dict>
  <!-- the port; <key>HTTPPort</key> is not here -->
  <key>HTTPPort</key>
  <integer>8008</integer>   <!-- usual -->

  <key>Unknown&amp;Mine</key><string><![CDATA[</dict> & <key>]]></string>
  <key>MultiProcess</key>
  <dict>
    <key>ProcessCount</key>
    <integer>0</integer>
  </dict>
  <key>Empty</key>
  <dict/>
</dict>`);

test("a value is replaced where it stands, and nothing else of the text changes", () => {
  assert.equal(withPlistValue(text, ["HTTPPort"], 8080), text.replace("8008", "8080"));
  assert.equal(
    withPlistValue(text, ["MultiProcess", "ProcessCount"], 4),
    text.replace("<integer>0</integer>", "<integer>4</integer>"),
  );
  assert.equal(
    withPlistValue(text, ["Unknown&Mine"], "a < b"),
    text.replace("<string><![CDATA[</dict> & <key>]]></string>", "<string>a &lt; b</string>"),
  );
});

test("a new key is the last of its dictionary, indented as the others; dictionaries that are missing are made", () => {
  assert.equal(
    withPlistValue(text, ["Admins"], ["a", "b"]),
    text.replace(
      "  <dict/>\n</dict>",
      "  <dict/>\n  <key>Admins</key>\n  <array>\n    <string>a</string>\n    <string>b</string>\n  </array>\n</dict>",
    ),
  );
  assert.equal(
    withPlistValue(text, ["MultiProcess", "Staggered", "Enabled"], true),
    text.replace(
      "<integer>0</integer>\n",
      "<integer>0</integer>\n    <key>Staggered</key>\n    <dict>\n      <key>Enabled</key>\n      <true/>\n    </dict>\n",
    ),
  );
  assert.equal(
    withPlistValue(text, ["Empty", "x"], "y"),
    text.replace("  <dict/>", "  <dict>\n    <key>x</key>\n    <string>y</string>\n  </dict>"),
  );
  assert.equal(withPlistValue(file("<dict/>"), ["x"], false), file("<dict>\n  <key>x</key>\n  <false/>\n</dict>"));
});

test("a key is removed with its line, and one that is not there is no matter", () => {
  const removed = withPlistValue(text, ["MultiProcess", "ProcessCount"], undefined);
  assert.equal(removed, text.replace("    <key>ProcessCount</key>\n    <integer>0</integer>\n", ""));
  assert.equal(withPlistValue(text, ["No", "Such"], undefined), text);
  assert.deepEqual(
    { ...(readPlist(withPlistValue(text, ["Unknown&Mine"], undefined)) as object) },
    {
      HTTPPort: 8008,
      MultiProcess: readPlist(file("<dict><key>ProcessCount</key><integer>0</integer></dict>")),
      Empty: readPlist(file("<dict/>")),
    },
  );
});

test("what is no property list, or no dictionary on the way, is refused", () => {
  assert.throws(() => withPlistValue("<plist", ["x"], 1));
  assert.throws(() => withPlistValue(file("<array/>"), ["x"], 1), /not a dictionary/);
  assert.throws(() => withPlistValue(text, ["HTTPPort", "x"], 1), /HTTPPort is not a dictionary/);
});

test("every key of the default property list can be set, and reads as what was set", () => {
  const plist = readFileSync(new URL("../../plist/caldavd.plist", import.meta.url), "utf8");
  const walk = (value: PlistValue, path: string[]): void => {
    if (
      typeof value === "object" &&
      !Array.isArray(value) &&
      !(value instanceof Date) &&
      !(value instanceof Uint8Array)
    )
      for (const [name, inner] of Object.entries(value)) walk(inner as PlistValue, [...path, name]);
    else {
      const set = withPlistValue(plist, path, "changed");
      const read = path.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], readPlist(set));
      assert.equal(read, "changed", path.join("."));
      assert.equal(set.match(/<!--/g)?.length, plist.match(/<!--/g)?.length);
    }
  };
  walk(readPlist(plist), []);
});
