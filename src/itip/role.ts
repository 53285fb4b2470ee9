import type { Component, Property } from "../ical/component.ts";
import { mapProperties, withProperties } from "../ical/edit.ts";
import { Refusal } from "../model/refusal.ts";
import { isServed } from "./attendee.ts";
import type { Identify } from "./people.ts";
import { componentsOf, mapMembers, type Series, seriesOf } from "./series.ts";

/** What the owner of a calendar is to an object in it. "none": the object is no scheduling object resource, it is stored as it
 *  came. RFC 6638 §3.1 */
export type Role = "none" | "organizer" | "attendee";

/** Throws Refusal(same-organizer-in-all-components). */
export function roleOf(series: Series, owner: string, identify: Identify): Role {
  const organizers = new Set<string>();
  for (const component of componentsOf(series))
    for (const { name, value } of component.properties) if (name === "ORGANIZER") organizers.add(identify(value));
  if (organizers.size > 1)
    throw new Refusal({
      code: "same-organizer-in-all-components",
      problem: "all components of an object have the same ORGANIZER",
    });
  const [organizer] = organizers;
  if (organizer === undefined || series.kind === "VPOLL") return "none";
  if (organizer === owner) return "organizer";
  return isServed(series, owner, identify) ? "attendee" : "none";
}

/** What clients forget put right: an ORGANIZER that only some components have is everybody's, an ATTENDEE that comes twice in one
 *  component counts once. The root itself when nothing was wrong. */
export function tidied(root: Component, identify: Identify): Component {
  const series = seriesOf(withPlainSchemes(root));
  const components = componentsOf(series);
  const organizer = components.flatMap(
    ({ properties }) => properties.find(({ name }) => name === "ORGANIZER") ?? [],
  )[0];
  return mapMembers(series, (component) => withOrganizer(withoutTwins(component, identify), organizer));
}

/** `MAILTO:` of old clients: the others compare texts. */
const withPlainSchemes = (root: Component): Component =>
  mapMembers(seriesOf(root), (component) =>
    mapProperties(component, (property) => {
      if (property.name !== "ATTENDEE" && property.name !== "ORGANIZER") return property;
      const { value } = property;
      return /^mailto:/i.test(value) && !value.startsWith("mailto:")
        ? { ...property, value: `mailto:${value.slice(7)}` }
        : property;
    }),
  );

const withOrganizer = (component: Component, organizer: Property | undefined): Component =>
  organizer === undefined || component.properties.some(({ name }) => name === "ORGANIZER")
    ? component
    : withProperties(component, "ORGANIZER", [organizer]);

function withoutTwins(component: Component, identify: Identify): Component {
  const seen = new Set<string>();
  return mapProperties(component, (property) => {
    if (property.name !== "ATTENDEE") return property;
    const person = identify(property.value);
    if (seen.has(person)) return undefined;
    seen.add(person);
    return property;
  });
}

/** Every address of the object that people may be behind, as written; each once. */
export function addressesIn(root: Component): ReadonlySet<string> {
  const addresses = new Set<string>();
  for (const component of root.components)
    for (const { name, value } of component.properties)
      if (name === "ATTENDEE" || name === "ORGANIZER") addresses.add(value);
  return addresses;
}
