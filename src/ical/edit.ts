import type { Component, Parameter, Property } from "./component.ts";
import { parameterOf } from "./component.ts";

// Edits give new values and share what they do not touch: `writeKept` writes that as it was read.

/** A property the server makes. */
export const made = (name: string, value: string, parameters: readonly Parameter[] = []): Property => ({
  name,
  parameters,
  value,
  line: 0,
});

/** The property with one parameter set, in its place, or removed (undefined). The property itself when nothing changes. */
export function withParameter(property: Property, name: string, value: string | undefined): Property {
  const known = parameterOf(property, name);
  if (known === value && (value === undefined || property.parameters.filter((one) => one.name === name).length === 1))
    return property;
  const parameters: Parameter[] = [];
  let isSet = value === undefined;
  for (const parameter of property.parameters) {
    if (parameter.name !== name) parameters.push(parameter);
    else if (!isSet) {
      isSet = true;
      parameters.push({ name, values: [value as string] });
    }
  }
  if (!isSet) parameters.push({ name, values: [value as string] });
  return { ...property, parameters };
}

/** The property without the parameters of which `drop` says so; itself when there is none. */
export function withoutParameters(property: Property, drop: (name: string) => boolean): Property {
  if (!property.parameters.some(({ name }) => drop(name))) return property;
  return { ...property, parameters: property.parameters.filter(({ name }) => !drop(name)) };
}

/** The component with each property replaced by what `edit` gives (undefined: removed); itself when nothing changes. */
export function mapProperties(component: Component, edit: (property: Property) => Property | undefined): Component {
  let changed = false;
  const properties: Property[] = [];
  for (const property of component.properties) {
    const edited = edit(property);
    if (edited !== property) changed = true;
    if (edited !== undefined) properties.push(edited);
  }
  return changed ? { ...component, properties } : component;
}

/** The component with its properties of one name replaced by these, where the first of them stood, else at the end. */
export function withProperties(component: Component, name: string, replacements: readonly Property[]): Component {
  const old = component.properties.filter((property) => property.name === name);
  if (old.length === replacements.length && old.every((property, at) => property === replacements[at]))
    return component;
  const first = component.properties.findIndex((property) => property.name === name);
  const others = component.properties.filter((property) => property.name !== name);
  const at = first === -1 ? others.length : first;
  return { ...component, properties: [...others.slice(0, at), ...replacements, ...others.slice(at)] };
}

/** The component with one property of that name and value, its parameters gone; itself when it has just that. */
export function withValue(component: Component, name: string, value: string): Component {
  const [only, ...others] = component.properties.filter((property) => property.name === name);
  if (only !== undefined && others.length === 0 && only.value === value && only.parameters.length === 0)
    return component;
  return withProperties(component, name, [made(name, value)]);
}

export const without = (component: Component, name: string): Component => withProperties(component, name, []);

/** The component with other components inside; itself when they are the same ones. */
export function withComponents(component: Component, components: readonly Component[]): Component {
  const same =
    components.length === component.components.length &&
    components.every((child, at) => child === component.components[at]);
  return same ? component : { ...component, components };
}

/** The component with one inside replaced (undefined: removed), in its place. */
export const replaceChild = (component: Component, old: Component, by: Component | undefined): Component =>
  withComponents(
    component,
    component.components.flatMap((child) => (child !== old ? [child] : by === undefined ? [] : [by])),
  );
