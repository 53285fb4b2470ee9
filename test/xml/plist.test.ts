import assert from "node:assert/strict";
import { test } from "node:test";
import { PlistError, type PlistValue, readPlist, readPlistLines, writePlist } from "../../src/xml/plist.ts";
import { XmlError } from "../../src/xml/read.ts";

const document = (inside: string): string => `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
${inside}
</plist>
`;

/** The list is refused with exactly this message. */
function refused(inside: string, message: string): void {
  assert.throws(
    () => readPlist(document(inside)),
    (error) => {
      assert.ok(error instanceof PlistError, String(error));
      assert.equal(error.message, message);
      return true;
    },
  );
}

/** A dictionary as it is read: without prototype. */
const dict = (entries: Record<string, PlistValue>): PlistValue =>
  Object.assign(Object.create(null), entries) as PlistValue;

test("a configuration as Apple ships it is read", () => {
  const value = readPlist(
    document(`<dict>
  <!-- Network host name -->
  <key>ServerHostName</key><string></string>
  <key>HTTPPort</key><integer> 8008 </integer>
  <key>EnableSSL</key><false/>
  <key>Load</key><real>-1.5e2</real>
  <key>BindHTTPPorts</key><array><integer>1</integer><string>a &amp; b</string></array>
  <key>MultiProcess</key><dict><key>ProcessCount</key><integer>0</integer></dict>
  <key>Since</key><date>2026-02-28T12:00:00Z</date>
  <key>Secret</key><data> aGVs
 bG8= </data>
  <key>Nothing</key><array/>
</dict>`),
  );
  assert.deepEqual(
    value,
    dict({
      ServerHostName: "",
      HTTPPort: 8008,
      EnableSSL: false,
      Load: -150,
      BindHTTPPorts: [1, "a & b"],
      MultiProcess: dict({ ProcessCount: 0 }),
      Since: new Date("2026-02-28T12:00:00Z"),
      Secret: new Uint8Array(Buffer.from("hello")),
      Nothing: [],
    }),
  );
});

test("what other readers overlook is refused with line and key path", () => {
  refused("<dict>\n<key>A</key><true/>\n<key>A</key><true/></dict>", "line 6: A: the key is there twice");
  refused("<dict>\n<key>A</key>\n<key>B</key><true/></dict>", 'line 5: the key "A" has no value');
  refused("<dict><key>A</key><dict><key>B</key></dict></dict>", 'line 4: A: the key "B" has no value');
  refused("<dict><true/></dict>", "line 4: <true> has no key before it");
  refused(
    "<dict><key>MultiProcess</key><dict><key>ProcessCount</key>\n<integer>eight</integer></dict></dict>",
    'line 5: MultiProcess.ProcessCount: must be a whole number, found "eight"',
  );
  refused(
    "<array><integer>1</integer><integer>1.5</integer></array>",
    'line 4: [1]: must be a whole number, found "1.5"',
  );
  refused(
    "<integer>99999999999999999999</integer>",
    'line 4: must be from -9007199254740991 to 9007199254740991, found "99999999999999999999"',
  );
  refused("<integer></integer>", 'line 4: must be a whole number, found ""');
  refused("<real>nan</real>", 'line 4: must be a number, found "nan"');
  refused("<real>1e999</real>", 'line 4: must be a number, found "1e999"');
  refused(
    "<date>2026-02-30T12:00:00Z</date>",
    'line 4: must be a date such as 2026-01-31T12:00:00Z, found "2026-02-30T12:00:00Z"',
  );
  refused("<data>a</data>", "line 4: must be base64 data");
  refused("<true>yes</true>", "line 4: <true/> must be empty");
  refused("<dict>text</dict>", 'line 4: <dict> holds the text "text"');
  refused("<string>a<b/></string>", "line 4: <string> holds the element <b>");
  refused("<number>1</number>", "line 4: <number> is no element of a property list");
  refused("", "line 3: <plist> has no value");
  refused("<true/><true/>", "line 4: <plist> has more than one value");
});

test("a file that is no property list, or no XML, is refused", () => {
  assert.throws(() => readPlist("<config/>"), /root element must be <plist>, found <config>/);
  assert.throws(() => readPlist('<plist version="2.0"><true/></plist>'), /version must be 1.0/);
  assert.throws(() => readPlist("<plist><true></plist>"), XmlError);
  assert.throws(() => readPlist('<!DOCTYPE plist [<!ENTITY e SYSTEM "file:///etc/passwd">]><plist/>'), XmlError);
});

test("lines are known by key path", () => {
  const { lineOf } = readPlistLines(
    document("<dict>\n<key>A</key>\n<array>\n<dict><key>B</key>\n<true/></dict></array></dict>"),
  );
  assert.equal(lineOf("A"), 6);
  assert.equal(lineOf("A[0].B"), 8);
  assert.equal(lineOf("C"), undefined);
});

test("a key may have any name", () => {
  const value = readPlist(document("<dict><key>__proto__</key><integer>1</integer><key>toString</key><true/></dict>"));
  assert.deepEqual(Object.entries(value), [
    ["__proto__", 1],
    ["toString", true],
  ]);
});

test("what was written reads the same", () => {
  const value = dict({
    text: "<&>\r\n ü 📅",
    numbers: [0, -1, 1.5, 1e21, 2 ** 53, 0.1],
    flags: [true, false],
    when: new Date("2026-11-20T00:00:00Z"),
    bytes: new Uint8Array([0, 255, 7]),
    empty: dict({}),
    none: [],
    "a & b": dict({ deep: [dict({ er: "" })] }),
  });
  assert.deepEqual(readPlist(writePlist(value)), value);
  assert.match(
    writePlist({ a: 1 }),
    /^<\?xml version="1.0".*\n<!DOCTYPE plist PUBLIC .*\n<plist version="1.0">\n<dict>\n\t<key>a<\/key>\n/,
  );
  assert.throws(() => writePlist(Number.NaN), RangeError);
});
