import { dav } from "../../xml/element.ts";
import { report } from "../registry.ts";

declare const later: () => never;
export const expandProperty = report({ name: dav("expand-property"), on: [], needs: "read", parse: () => later(), run: () => later() });
