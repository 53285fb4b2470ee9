import { bodyOf } from "../../http/body.ts";
import type { HttpRequest } from "../../http/message.ts";
import { HttpError } from "../../http/message.ts";
import type { Element } from "../../xml/element.ts";
import { readXmlCached, XmlError } from "../../xml/read.ts";
import type { Context } from "../registry.ts";

/** The root of the request's XML body; undefined when the body is empty. Throws HttpError(413) beyond `maxXmlBody`, and
 *  HttpError(400) for what is not XML or beyond the reader's limits. */
export async function xmlBody(request: HttpRequest, context: Context): Promise<Element | undefined> {
  const { maxXmlBody, maxMultigetHrefs } = context.services.settings;
  const bytes = await bodyOf(request, maxXmlBody);
  if (bytes.length === 0) return undefined;
  refuseManyElements(bytes, maxMultigetHrefs + otherElements);
  return parseXmlBody(bytes);
}

/** What a request holds besides the hrefs of a multiget; the longest one met, with every property there is, has some 200. */
const otherElements = 2000;
/** Bytes that are parsed before anybody could notice. */
const soonParsed = 65_536;

/** Parsing is done in one go, and 50,000 elements take longer than others should wait; counting them takes a hundredth. */
function refuseManyElements(bytes: Buffer, most: number): void {
  if (bytes.length <= soonParsed) return;
  let tags = 0;
  for (let at = bytes.indexOf(lessThan); at !== -1; at = bytes.indexOf(lessThan, at + 1)) {
    tags += 1;
    // A start and an end each.
    if (tags > 2 * most) throw new HttpError(413, `an XML body may have at most ${most} elements`);
  }
}
const lessThan = 0x3c;

/** The root of an XML body that was read. Throws HttpError(400). */
export function parseXmlBody(bytes: Buffer): Element {
  try {
    return readXmlCached(bytes);
  } catch (error) {
    if (error instanceof XmlError) throw new HttpError(400, `the body is not well-formed XML: ${error.message}`);
    throw error;
  }
}
