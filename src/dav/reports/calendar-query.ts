import { caldav } from "../../xml/element.ts";
import { report } from "../registry.ts";

declare const later: () => never;
export const calendarQuery = report({ name: caldav("calendar-query"), on: [], needs: "read", parse: () => later(), run: () => later() });
