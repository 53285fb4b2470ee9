import { chunkSize, yieldToLoop } from "../base/stream.ts";
import type { HttpRequest, HttpResponse } from "../http/message.ts";
import { preferencesOf } from "../http/prefer.ts";
import { escapeText, rootNamespaces, xmlDeclaration } from "../xml/write.ts";

export { type PropRequest, parsePropRequest } from "./prop-request.ts";
export { type PropstatGroup, propstatResponse, propstats, statusResponse } from "./propstat.ts";
export { type Computed, type ResponseOptions, responsesFor } from "./responses.ts";

/** A multistatus is told in text/xml, as the original did: clients of its time look for just that. */
export const xmlType = "text/xml; charset=utf-8";

const opening = `${xmlDeclaration}<D:multistatus${rootNamespaces}>\n`;
const closing = "</D:multistatus>\n";

/** Whether the client wants only what is there: `Prefer: return=minimal` (RFC 8144 §2.1), or `Brief: t` of Apple's clients. */
export const isMinimal = ({ headers }: HttpRequest): boolean => preferencesOf(headers).minimal;

export interface MultistatusExtra {
  /** DAV:sync-token as a whole URI (RFC 6578 §3.7). */
  readonly syncToken?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** 207 with the given DAV:response texts. A short answer is made whole first, so that it has a length and an error in it is
 *  still an error of the request; a longer one is streamed, and an error then breaks the connection. */
export async function multistatus(
  parts: AsyncIterable<string> | Iterable<string>,
  extra: MultistatusExtra = {},
): Promise<HttpResponse> {
  const { syncToken } = extra;
  const end = syncToken === undefined ? closing : `<D:sync-token>${escapeText(syncToken)}</D:sync-token>${closing}`;
  const headers = { "content-type": xmlType, ...extra.headers };
  const source = Symbol.asyncIterator in parts ? parts[Symbol.asyncIterator]() : parts[Symbol.iterator]();
  let text = opening;
  while (text.length < 2 * chunkSize) {
    const next = await source.next();
    if (next.done === true) return { status: 207, headers, body: text + end };
    text += next.value;
  }
  return { status: 207, headers, body: streamed(source, text, end) };
}

async function* streamed(
  source: AsyncIterator<string> | Iterator<string>,
  begun: string,
  end: string,
): AsyncGenerator<string, void, undefined> {
  let text = begun;
  let done = false;
  try {
    while (!done) {
      yield text;
      text = "";
      await yieldToLoop();
      while (text.length < chunkSize && !done) {
        const next = await source.next();
        if (next.done === true) done = true;
        else text += next.value;
      }
    }
    yield text + end;
  } finally {
    if (!done) await source.return?.();
  }
}
