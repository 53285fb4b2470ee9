import { type Component, type Property, parameterOf } from "../ical/component.ts";
import { mapProperties, withoutParameters, withParameter } from "../ical/edit.ts";
import { mapMembers, seriesOf } from "./series.ts";

const name = "SCHEDULE-FORCE-SEND";
const known: ReadonlySet<string> = new Set(["REQUEST", "REPLY"]);

/** Whether who stored the object wants a message sent to this calendar user that would not be sent else. RFC 6638 §7.2 */
export const isForced = (property: Property | undefined, method: "REQUEST" | "REPLY"): boolean =>
  property !== undefined && parameterOf(property, name)?.trim().toUpperCase() === method;

/** The object as it is stored: the parameter is an order, and not kept. One that is not known is answered with the status 2.3. */
export const withoutForce = (root: Component): Component =>
  mapMembers(seriesOf(root), (component) =>
    mapProperties(component, (property) => {
      if (property.name !== "ATTENDEE" && property.name !== "ORGANIZER") return property;
      const order = parameterOf(property, name);
      if (order === undefined) return property;
      const without = withoutParameters(property, (parameter) => parameter === name);
      return known.has(order.trim().toUpperCase()) ? without : withParameter(without, "SCHEDULE-STATUS", "2.3");
    }),
  );
