import type { HttpRequest, HttpResponse } from "../http/message.ts";

/** A service beside the DAV tree. It is asked before the tree, and before anybody has to sign in: whom it serves is its own
 *  matter. Throws what an answer can be made of, as methods do. */
export interface Door {
  /** Whether requests for that path (decoded segments) are the door's. */
  claims(path: readonly string[]): boolean;
  handle(request: HttpRequest): Promise<HttpResponse>;
}
