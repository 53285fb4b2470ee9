import type { HttpRequest, HttpResponse } from "../http/message.ts";
import type { Context } from "./registry.ts";

declare const later: () => never;
export async function dispatch(_request: HttpRequest, _context: Context): Promise<HttpResponse> {
  return later();
}
