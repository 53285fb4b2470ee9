import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "../../src/model/refusal.ts";
import type { Element } from "../../src/xml/element.ts";
import { readXml, XmlError } from "../../src/xml/read.ts";
import { writeXml } from "../../src/xml/write.ts";

/** CPU milliseconds that reading takes; whatever it throws is the caller's. */
function timed(source: string | Uint8Array): { readonly milliseconds: number; readonly outcome: unknown } {
  const before = process.cpuUsage();
  let outcome: unknown;
  try {
    outcome = readXml(source);
  } catch (error) {
    outcome = error;
  }
  const { user, system } = process.cpuUsage(before);
  return { milliseconds: (user + system) / 1000, outcome };
}

/** A small generator of pseudo-random numbers, so that a failure can be run again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

const hrefs = Array.from({ length: 60 }, (_, i) => `<D:href>/calendars/__uids__/ABC/calendar/${i}.ics</D:href>`).join(
  "\n",
);
const seeds = [
  `<?xml version="1.0" encoding="utf-8"?>\n<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data><C:expand start="20260101T000000Z" end="20260201T000000Z"/></C:calendar-data></D:prop>${hrefs}</C:calendar-multiget>`,
  '<!-- c --><a xmlns="u" xmlns:p="v" p:x="1&amp;2" y=\'"\'>t&lt;&#x41;&#66;<![CDATA[<&]]]]><?pi body?><p:b xml:lang="de"/> tail </a>\n<!-- end -->',
  '<D:propertyupdate xmlns:D="DAV:" xmlns:A="http://apple.com/ns/ical/"><D:set><D:prop><A:calendar-color symbolic-color="red">#FF0000</A:calendar-color><D:displayname>Zoë 📅</D:displayname></D:prop></D:set></D:propertyupdate>',
];
const tokens = [
  "<",
  ">",
  "&",
  '"',
  "'",
  "/",
  "=",
  "]]>",
  "<![CDATA[",
  "<!--",
  "-->",
  "<?",
  "?>",
  "<?xml ",
  "<!DOCTYPE ",
  "[",
  "]",
  "&#",
  "&#x0;",
  ";",
  ":",
  " xmlns:q='u'",
  " xmlns=''",
  "</",
  "/>",
  "\0",
  "\ud800",
  "\r",
  "%",
  "<a>",
  "</a>",
  "SYSTEM 'x'",
  "<!ENTITY e 'x'>",
  "hasOwnProperty='1'",
  "__proto__='1'",
  "ü",
  "\ufeff",
];

function mutate(text: string, next: (below: number) => number): string {
  let mutated = text;
  for (let edits = 1 + next(4); edits > 0; edits -= 1) {
    const at = next(mutated.length + 1);
    const length = next(3) === 0 ? next(40) : next(3);
    switch (next(4)) {
      case 0:
        mutated = mutated.slice(0, at) + mutated.slice(at + length);
        break;
      case 1:
        mutated = mutated.slice(0, at) + (tokens[next(tokens.length)] ?? "") + mutated.slice(at + length);
        break;
      case 2: {
        const from = next(mutated.length + 1);
        mutated = mutated.slice(0, at) + mutated.slice(from, from + next(200)) + mutated.slice(at);
        break;
      }
      default:
        mutated =
          mutated.slice(0, at) + String.fromCharCode(next(next(4) === 0 ? 0x10000 : 0x80)) + mutated.slice(at + 1);
    }
  }
  return mutated;
}

test("20,000 damaged documents are read or refused, none crashes, hangs or comes back different", () => {
  const next = random(20261120);
  let read = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const text = mutate(seeds[round % seeds.length] ?? "", next);
    const source = next(4) === 0 ? Buffer.from(text) : text;
    const { milliseconds, outcome } = timed(source);
    // Measured: under 1 ms. A garbage collection may hit one reading, but not two of the same document.
    if (milliseconds >= 50) assert.ok(timed(source).milliseconds < 50, `round ${round}: ${JSON.stringify(text)}`);
    if (outcome instanceof Refusal) assert.equal(outcome.reason.code, "no-external-entities");
    else if (outcome instanceof Error) assert.ok(outcome instanceof XmlError, `round ${round}: ${String(outcome)}`);
    else {
      read += 1;
      assert.deepEqual(readXml(writeXml(outcome as Element)), outcome, `round ${round}`);
    }
  }
  assert.ok(read > 1000, `only ${read} were well-formed`);
});

test("large and hostile documents take time in proportion to their length", () => {
  const million = 1_000_000;
  const documents: Record<string, string> = {
    text: `<a>${"x".repeat(million)}</a>`,
    "attribute value": `<a b="${"x".repeat(million)}"/>`,
    "attribute values on one element": `<a ${Array.from({ length: 100_000 }, (_, i) => `b${i}="x"`).join(" ")}/>`,
    "name without end": `<${"x".repeat(million)}`,
    "entity without end": `<a>&${"x".repeat(million)}`,
    "comment without end": `<a><!--${"-x".repeat(million / 2)}`,
    "CDATA without end": `<a><![CDATA[${"]".repeat(million)}`,
    "quote without end": `<a b="${"'".repeat(million)}`,
    "brackets in text": `<a>${"]]".repeat(million / 2)}</a>`,
    "references in text": `<a>${"&amp;".repeat(million / 5)}</a>`,
    "blanks in the declaration": `<?xml version="1.0"${" ".repeat(million)}x?><a/>`,
    "document type": `<!DOCTYPE a [${'<!ENTITY a "x">'.repeat(million / 20)}]><a/>`,
    "nested elements": "<a>".repeat(million / 3),
    "prefixes in every element": `<a>${Array.from({ length: 20_000 }, (_, i) => `<p${i}:b xmlns:p${i}="u"/>`).join("")}</a>`,
    "processing instructions": `<a>${"<?x y?>".repeat(million / 7)}</a>`,
    "line ends": `<a>${"\r\n".repeat(million / 2)}</a>`,
  };
  for (const [what, text] of Object.entries(documents)) {
    const { milliseconds, outcome } = timed(text);
    if (outcome instanceof Error) {
      assert.ok(outcome instanceof XmlError, `${what}: ${String(outcome)}`);
      assert.ok(outcome.message.length < 300, what);
    }
    // Measured: at most 60 ms for a megabyte.
    assert.ok(milliseconds < 1000, `${what}: ${milliseconds} ms`);
  }
});
