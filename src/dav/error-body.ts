import type { HttpRequest, HttpResponse } from "../http/message.ts";
import type { Element } from "../xml/element.ts";
import type { Context } from "./registry.ts";

declare const later: () => never;
export function errorBody(_element: Element | undefined, _description?: string): string {
  return later();
}
export function errorResponse(
  _error: unknown,
  _request: HttpRequest,
  _context: Context,
  _challenge: () => Readonly<Record<string, string | readonly string[]>>,
): HttpResponse {
  return later();
}
