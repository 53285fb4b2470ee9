import type { HttpRequest } from "../../http/message.ts";

/** Passes the pages on and writes how many items went by to the access log, as `responses=12`. */
export async function* counted<T>(
  pages: AsyncIterable<readonly T[]> | Iterable<readonly T[]>,
  request: HttpRequest,
): AsyncGenerator<readonly T[]> {
  let items = 0;
  try {
    for await (const page of pages) {
      items += page.length;
      yield page;
    }
  } finally {
    request.log.items.push(`responses=${items}`);
  }
}
