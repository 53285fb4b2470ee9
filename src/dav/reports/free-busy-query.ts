import { caldav } from "../../xml/element.ts";
import { report } from "../registry.ts";

declare const later: () => never;
export const freeBusyQuery = report({ name: caldav("free-busy-query"), on: [], needs: "read", parse: () => later(), run: () => later() });
