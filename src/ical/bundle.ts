import { slicesOf, tzidOf, withLineEnds } from "./slices.ts";
import { escapeText } from "./text.ts";

export interface BundleOptions {
  /** PRODID of the stream. */
  readonly product: string;
  /** Shown by clients as the calendar's name (X-WR-CALNAME). */
  readonly name?: string;
}

/** Joins calendar objects into one VCALENDAR stream, piece by piece. The components are slices of the originals, lines ended
 *  by CRLF; of the VTIMEZONEs with one TZID the first is taken, and stands before the first object that uses it. A text that
 *  is no calendar is left out. */
export async function* bundle(
  texts: AsyncIterable<string> | Iterable<string>,
  { product, name }: BundleOptions,
): AsyncGenerator<string> {
  yield `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:${product}\r\n`;
  if (name !== undefined) yield `X-WR-CALNAME:${escapeText(name)}\r\n`;
  const zones = new Set<string>();
  for await (const text of texts) {
    let piece = "";
    for (const slice of slicesOf(text)) {
      const tzid = tzidOf(slice);
      if (tzid !== undefined) {
        if (zones.has(tzid)) continue;
        zones.add(tzid);
      }
      piece += withLineEnds(slice);
    }
    if (piece !== "") yield piece;
  }
  yield "END:VCALENDAR\r\n";
}
