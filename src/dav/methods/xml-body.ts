import { bodyOf } from "../../http/body.ts";
import type { HttpRequest } from "../../http/message.ts";
import { HttpError } from "../../http/message.ts";
import type { Element } from "../../xml/element.ts";
import { readXmlCached, XmlError } from "../../xml/read.ts";
import type { Context } from "../registry.ts";

/** The root of the request's XML body; undefined when the body is empty. Throws HttpError(413) beyond `maxXmlBody`, and
 *  HttpError(400) for what is not XML or beyond the reader's limits. */
export async function xmlBody(request: HttpRequest, context: Context): Promise<Element | undefined> {
  const bytes = await bodyOf(request, context.services.settings.maxXmlBody);
  return bytes.length === 0 ? undefined : parseXmlBody(bytes);
}

/** The root of an XML body that was read. Throws HttpError(400). */
export function parseXmlBody(bytes: Buffer): Element {
  try {
    return readXmlCached(bytes);
  } catch (error) {
    if (error instanceof XmlError) throw new HttpError(400, `the body is not well-formed XML: ${error.message}`);
    throw error;
  }
}
