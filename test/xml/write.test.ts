import assert from "node:assert/strict";
import { test } from "node:test";
import { caldav, cs, dav, el, elWith, href, ical, type QName } from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import {
  escapeAttribute,
  escapeText,
  propertyMarkup,
  rootNamespaces,
  serialize,
  serializeAlone,
  writeXml,
  xmlDeclaration,
} from "../../src/xml/write.ts";

test("a document declares the prefixes it uses once, at the root, and they never change", () => {
  const root = el(dav("error"), el(caldav("no-uid-conflict"), href("/a/")));
  assert.equal(
    writeXml(root),
    '<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><C:no-uid-conflict><D:href>/a/</D:href></C:no-uid-conflict></D:error>',
  );
  assert.equal(
    rootNamespaces,
    ' xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/" xmlns:A="http://apple.com/ns/ical/"',
  );
});

test("other namespaces are declared where they occur", () => {
  assert.equal(
    serialize(el("{urn:x}a", el("{urn:x}b", el(dav("c"), el("{}d"))), el("{urn:y}e"))),
    '<a xmlns="urn:x"><b><D:c><d xmlns=""/></D:c></b><e xmlns="urn:y"/></a>',
  );
  assert.equal(serialize(el("{}a", el("{}b"))), "<a><b/></a>");
});

test("attributes keep their namespaces, with prefixes", () => {
  const element = elWith(dav("a"), {
    plain: "1",
    "{DAV:}known": "2",
    "{urn:x}made": "3",
    "{urn:y}made": "4",
    "{http://www.w3.org/XML/1998/namespace}lang": "de",
  });
  assert.equal(
    serializeAlone(element),
    '<D:a xmlns:D="DAV:" plain="1" D:known="2" xmlns:n0="urn:x" n0:made="3" xmlns:n1="urn:y" n1:made="4" xml:lang="de"/>',
  );
  assert.deepEqual(readXml(serializeAlone(element)), element);
});

test("calendar data comes back with every byte, CR included", () => {
  const text = "BEGIN:VCALENDAR\r\nSUMMARY:a < b && c > d ]]> \"q\" 'a' 📅\tü\r\nEND:VCALENDAR\r\n";
  assert.equal(escapeText("a\r\nb"), "a&#13;\nb");
  const markup = propertyMarkup(caldav("calendar-data"), text);
  assert.deepEqual(readXml(`<x${rootNamespaces}>${markup}</x>`), el("{}x", el(caldav("calendar-data"), text)));
});

test("what XML cannot hold becomes U+FFFD, so that an answer is always well-formed", () => {
  assert.equal(escapeText("a\u0000b\u001fc\ud800d\udc00e\uffff"), "a\ufffdb\ufffdc\ufffdd\ufffde\ufffd");
  assert.equal(escapeText("📅"), "📅");
  assert.equal(escapeAttribute('\u0001"<&\t\n\r📅'), "\ufffd&quot;&lt;&amp;&#9;&#10;&#13;📅");
});

test("properties are written from text, an element, a list, or nothing", () => {
  assert.equal(propertyMarkup(dav("getetag"), '"abc"'), '<D:getetag>"abc"</D:getetag>');
  assert.equal(propertyMarkup(cs("getctag"), "1-2"), "<CS:getctag>1-2</CS:getctag>");
  assert.equal(propertyMarkup(dav("owner"), href("/p/")), "<D:owner><D:href>/p/</D:href></D:owner>");
  assert.equal(
    propertyMarkup(dav("resourcetype"), [el(dav("collection")), el(caldav("calendar"))]),
    "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>",
  );
  assert.equal(propertyMarkup(ical("calendar-color"), undefined), "<A:calendar-color/>");
  assert.equal(propertyMarkup(ical("calendar-color"), ""), "<A:calendar-color/>");
  assert.equal(propertyMarkup(dav("x"), []), "<D:x/>");
  assert.equal(
    propertyMarkup("{urn:x}y", el("{urn:x}z", el("{urn:w}z"))),
    '<y xmlns="urn:x"><z><z xmlns="urn:w"/></z></y>',
  );
});

test("namespace names are escaped and thousands of made-up names do no harm", () => {
  for (let i = 0; i < 5000; i += 1) propertyMarkup(`{urn:x${i}}n` as QName, "v");
  assert.equal(propertyMarkup('{u"&<}n', "v"), '<n xmlns="u&quot;&amp;&lt;">v</n>');
  assert.equal(propertyMarkup(dav("getetag"), "v"), "<D:getetag>v</D:getetag>");
});

test("whatever was read is written so that it reads the same", () => {
  for (const text of [
    '<a xmlns="DAV:" xmlns:p="urn:p" p:q="1" xml:lang="en"> t <p:b><c xmlns=""/></p:b>&#13;</a>',
    '<x:y xmlns:x="http://www.w3.org/1999/xhtml"><x:p class="a&#10;b">1 &lt; 2</x:p></x:y>',
    "<plain><empty/></plain>",
    '<xml:odd xmlns:xml="http://www.w3.org/XML/1998/namespace"/>',
  ]) {
    const root = readXml(text);
    assert.deepEqual(readXml(writeXml(root)), root);
    assert.deepEqual(readXml(`${xmlDeclaration}<r${rootNamespaces}>${serialize(root)}</r>`).children, [root]);
  }
});
