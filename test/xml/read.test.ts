import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "../../src/model/refusal.ts";
import { type Element, el, elWith } from "../../src/xml/element.ts";
import { readXml, readXmlCached, readXmlLines, XmlError } from "../../src/xml/read.ts";

/** The document is refused, and the message says where and matches. */
function refused(text: string | Uint8Array, problem: RegExp, line?: number): void {
  assert.throws(
    () => readXml(text),
    (error) => {
      assert.ok(error instanceof XmlError, String(error));
      assert.match(error.message, /^line \d+, column \d+: ./);
      assert.match(error.problem, problem);
      if (line !== undefined) assert.equal(error.line, line);
      return true;
    },
  );
}

test("names are resolved by the prefixes in scope, and the default namespace is not for attributes", () => {
  const root = readXml(
    '<?xml version="1.0" encoding="utf-8"?><a:propfind xmlns:a="DAV:" a:x="1" y="2" xml:lang="en"><a:prop xmlns="urn:z"><b xmlns:a="urn:a" a:q="3"/></a:prop></a:propfind>',
  );
  assert.deepEqual(
    root,
    elWith(
      "{DAV:}propfind",
      { "{DAV:}x": "1", y: "2", "{http://www.w3.org/XML/1998/namespace}lang": "en" },
      el("{DAV:}prop", elWith("{urn:z}b", { "{urn:a}q": "3" })),
    ),
  );
});

test("an element without namespace has none, also inside a default namespace that is taken back", () => {
  assert.deepEqual(readXml('<a xmlns="DAV:"><b xmlns=""/></a>'), el("{DAV:}a", el("{}b")));
});

test("text is kept to the last blank; comments, CDATA and references do not split it", () => {
  assert.deepEqual(
    readXml("<a> x<!-- gone -->y<![CDATA[<&]]>&amp;&#x41;&#66;\n <b/>\n</a>"),
    el("{}a", " xy<&&AB\n ", el("{}b"), "\n"),
  );
  assert.deepEqual(readXml("<a><!-- & ]]> --><![CDATA[&x;]]><?p & ]]>?></a>"), el("{}a", "&x;"));
  assert.deepEqual(readXml("<a>]]&gt;</a>"), el("{}a", "]]>"));
  assert.deepEqual(readXml('<a b="x&lt;y"/>'), elWith("{}a", { b: "x<y" }));
});

test("line ends become LF unless written as references", () => {
  assert.deepEqual(readXml("<a>1\r\n2\r3&#13;\n</a>"), el("{}a", "1\n2\n3\r\n"));
  assert.deepEqual(
    readXml(`<a b="1\t2\r\n3&#10;4&#x9;&lt;'" c='5\n"'/>`),
    elWith("{}a", { b: "1 2 3\n4\t<'", c: '5 "' }),
  );
});

test("attributes with names that JavaScript knows are attributes like others", () => {
  const root = readXml('<a hasOwnProperty="1" constructor="2" __proto__="3" b="4"/>');
  assert.deepEqual(Object.entries(root.attributes), [
    ["hasOwnProperty", "1"],
    ["constructor", "2"],
    ["__proto__", "3"],
    ["b", "4"],
  ]);
  refused('<a __proto__="3" __proto__="4"/>', /twice/);
});

test("UTF-8 with and without byte order mark, UTF-16 of both kinds and declared Latin-1 are read", () => {
  const text = '<?xml version="1.0"?><a>Grüße 📅</a>';
  const expected = el("{}a", "Grüße 📅");
  assert.deepEqual(readXml(text), expected);
  assert.deepEqual(readXml(`\ufeff${text}`), expected);
  assert.deepEqual(readXml(Buffer.from(text)), expected);
  assert.deepEqual(readXml(Buffer.from(`\ufeff${text}`)), expected);
  const little = Buffer.from(`\ufeff${text}`, "utf16le");
  assert.deepEqual(readXml(little), expected);
  assert.deepEqual(readXml(Buffer.from(little).swap16()), expected);
  const latin = '<?xml version="1.0" encoding="ISO-8859-1"?><a>Grüße</a>';
  assert.deepEqual(readXml(Buffer.from(latin, "latin1")), el("{}a", "Grüße"));
  // Written by some .NET clients before UTF-8.
  assert.deepEqual(readXml(Buffer.from('<?xml version="1.0" encoding="utf-16"?><a/>')), el("{}a"));
});

test("bytes that are not text, and unknown encodings, are refused", () => {
  refused(Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]), /not UTF-8/);
  refused(Buffer.from('<?xml version="1.0" encoding="koi8-r"?><a/>'), /encoding "koi8-r"/);
  refused(Buffer.from([0xff, 0xfe, 0x3c, 0x00, 0x00, 0xd8]), /not utf-16le/);
});

test("an empty body has no root element", () => {
  for (const text of ["", "  \n", "<!-- only -->", '<?xml version="1.0"?>']) refused(text, /no root element/);
});

test("what sax overlooks is refused", () => {
  refused('<a b="1" b="2"/>', /"b" is there twice/);
  refused('<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>', /"q:b" is there twice/);
  refused('<a xmlns:p="u" xmlns:p="v"/>', /"xmlns:p" is there twice/);
  refused("<a/><b/>", /second root/);
  refused("<a/>\n<![CDATA[x]]>", /outside the root/, 2);
  refused("<a>\u0001</a>", /U\+0001/);
  refused("<a>\ufffe</a>", /U\+FFFE/);
  refused("<a>\ud83d</a>", /surrogate/);
  refused("<a>&#xD83D;</a>", /invalid character entity/);
  refused("<a>&#0;</a>", /invalid character entity/);
  refused("<a>\n]]></a>", /\]\]>/, 2);
  refused("<a></a>]]>", /\]\]>/);
  refused('<a b="x<y"/>', /attribute value/);
  refused("<a <b/>", /inside a tag/);
  refused('<a:b:c xmlns:a="u"/>', /not a name/);
  refused('<:a xmlns="u"/>', /not a name/);
  refused('<a: xmlns:a="u"/>', /not a name/);
  refused('<a:1 xmlns:a="u"/>', /not a name/);
  refused('\n<?xml version="1.0"?><a/>', /very start/, 2);
  refused('<a><?xml version="1.0"?></a>', /very start/);
  refused("<?xml?><a/>", /declaration is malformed/);
  refused('<?xml version="1.0"\ufeffencoding="utf-8"?><a/>', /declaration is malformed/);
  refused('<?xml version="2.0"?><a/>', /declaration is malformed/);
  refused("<??><a/>", /followed by a name/);
  refused("<?1?><a/>", /followed by a name/);
  refused("<?a<b?><a/>", /followed by a name/);
  assert.deepEqual(readXml("<?a?><?b c?><a/>"), el("{}a"));
  refused("< a/>", /white space/);
  refused("<a></ a>", /white space/);
  refused("<a><![cdata[x]]></a>", /<! must begin/);
  refused("<a>&AMP;</a>", /"&AMP;" is not a reference/);
  refused("<a>&#X41;</a>", /not a reference/);
  refused("<a>&nbsp;</a>", /"&nbsp;" is not a reference/);
  refused('<a b="1 & 2"/>', /"&" is not a reference/);
  refused("<a>&constructor;</a>", /not a reference/);
});

test("malformed documents are refused with line and column", () => {
  refused("<a>\n<b>\n</a>", /unexpected close tag/, 3);
  refused("<a>", /unclosed root tag/);
  refused("<a", /tag is not closed/);
  refused("<a b='", /value is not closed/);
  refused("<a><!-- ", /comment is not closed/);
  refused("<a><![CDATA[ ", /CDATA section is not closed/);
  refused("<a><?x ", /instruction is not closed/);
  refused('<a b="1"c="2"/>', /no whitespace between attributes/);
  refused("<a b=1/>", /unquoted attribute value/);
  refused("<a b/>", /./);
  refused("text", /./);
  refused("<a/>text", /text data outside/);
  refused("<a>& b</a>", /./);
  refused("<a><!-- x -- y --></a>", /malformed comment/);
  refused("<a>\n  <p:b/></a>", /prefix "p" is not declared/, 2);
});

test("prefixes cannot be declared for no namespace (the invalid2 test of litmus), nor xml and xmlns be taken", () => {
  refused('<a:propfind xmlns:a="DAV:"><b:x xmlns:b=""/></a:propfind>', /no namespace/);
  refused('<a xmlns:xml="u"/>', /cannot be declared/);
  refused('<a xmlns:xmlns="u"/>', /cannot be declared/);
  refused('<a xmlns="http://www.w3.org/2000/xmlns/"/>', /cannot be declared/);
  assert.deepEqual(readXml('<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>'), el("{}a"));
});

test("a document type that names something outside is refused with no-external-entities, any other plainly", () => {
  for (const text of [
    '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    '<!DOCTYPE a PUBLIC "-//x" "http://x/"><a/>',
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
    '<!DOCTYPE a [<!ENTITY % p PUBLIC "x" "http://x/"> %p;]><a/>',
  ])
    assert.throws(
      () => readXml(text),
      (error) => error instanceof Refusal && error.reason.code === "no-external-entities",
    );
  refused('<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', /document type/);
  refused("<!DOCTYPE a><a/>", /document type/);
  refused("<a><!DOCTYPE a></a>", /document type/);
});

test("files that always had a document type may keep it, without declarations of their own", () => {
  const accounts = '<?xml version="1.0"?>\n<!DOCTYPE accounts SYSTEM "accounts.dtd">\n<accounts realm="Test"/>';
  assert.deepEqual(readXml(accounts, { doctype: "skip" }), elWith("{}accounts", { realm: "Test" }));
  assert.throws(() => readXml('<!DOCTYPE a [<!ENTITY e "x">]><a/>', { doctype: "skip" }), XmlError);
  assert.throws(() => readXml('<a/><!DOCTYPE a SYSTEM "x">', { doctype: "skip" }), XmlError);
});

test("a billion laughs are refused before any is laughed", () => {
  let dtd = '<!ENTITY lol "lol">';
  for (let i = 1; i < 10; i++) dtd += `<!ENTITY lol${i} "${`&lol${i - 1 || ""};`.repeat(10)}">`;
  refused(`<?xml version="1.0"?><!DOCTYPE lolz [${dtd}]><lolz>&lol9;</lolz>`, /document type/);
});

test("limits are refused with their bound", () => {
  refused("<a>".repeat(5000), /64 deep/);
  const deep = `${"<a>".repeat(64)}${"</a>".repeat(64)}`;
  assert.equal(readXml(deep).name, "{}a");
  const attributes = Array.from({ length: 100_000 }, (_, i) => `a${i}="x"`).join(" ");
  refused(`<a ${attributes}/>`, /128 attributes/);
  refused(`<a>${"<b/>".repeat(50_000)}</a>`, /50000 elements/);
  refused(`<${"n".repeat(2000)}/>`, /1024 characters/);
  refused(`<a xmlns="${"n".repeat(2000)}"/>`, /1024 characters/);
  refused(`<a ${"n".repeat(2000)}="1"/>`, /1024 characters/);
  refused(`<a n="${"n".repeat(70_000)}"/>`, /65536 characters/);
  refused(`<!--${"n".repeat(70_000)}--><a/>`, /65536 characters/);
  assert.deepEqual(readXml(`<a>${"n".repeat(70_000)}</a>`), el("{}a", "n".repeat(70_000)));
  assert.throws(() => readXml("<a><b/></a>", { depth: 1 }), /1 deep/);
});

test("a body seen before gives the very same element, bytes and text apart", () => {
  const text = '<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>';
  const first = readXmlCached(text);
  assert.equal(readXmlCached(text), first);
  const fromBytes = readXmlCached(Buffer.from(text));
  assert.notEqual(fromBytes, first);
  assert.equal(readXmlCached(Buffer.from(text)), fromBytes);
  assert.deepEqual(fromBytes, first);
  const umlaut: Element = readXmlCached(Buffer.from("<a>ü</a>"));
  assert.deepEqual(umlaut, el("{}a", "ü"));
  assert.deepEqual(readXmlCached(Buffer.from("<a>ü</a>").toString("latin1")), el("{}a", "Ã¼"));
  const large = `<a>${"x".repeat(5000)}</a>`;
  assert.notEqual(readXmlCached(large), readXmlCached(large));
  assert.throws(() => readXmlCached("<a"), XmlError);
});

test("a reader of files is told the line of every element", () => {
  const { root, lineOf } = readXmlLines("<a>\n<b/>\n\n<c\n/></a>");
  assert.deepEqual(
    [root, ...root.children].map((node) => (typeof node === "string" ? undefined : lineOf(node))),
    [1, undefined, 2, undefined, 5],
  );
});
