import { dav, cs } from "../../xml/element.ts";
import { report } from "../registry.ts";

declare const later: () => never;
export const principalSearchPropertySet = report({ name: dav("principal-search-property-set"), on: [], needs: "read", parse: () => later(), run: () => later() });
export const principalPropertySearch = report({ name: dav("principal-property-search"), on: [], needs: "read", parse: () => later(), run: () => later() });
export const principalMatch = report({ name: dav("principal-match"), on: [], needs: "read", parse: () => later(), run: () => later() });
export const aclPrincipalPropSet = report({ name: dav("acl-principal-prop-set"), on: [], needs: "read", parse: () => later(), run: () => later() });
export const calendarserverPrincipalSearch = report({ name: cs("calendarserver-principal-search"), on: [], needs: "read", parse: () => later(), run: () => later() });
