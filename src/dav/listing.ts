import type { HttpResponse } from "../http/message.ts";
import type { Context } from "./registry.ts";
import type { Resource } from "./resource.ts";

declare const later: () => never;
export async function listing(_resource: Resource, _context: Context): Promise<HttpResponse> {
  return later();
}
