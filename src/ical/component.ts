/** A parameter of a content line. Name in upper case; values as written, quotes removed, RFC 6868 carets decoded. */
export interface Parameter {
  readonly name: string;
  readonly values: readonly string[];
}

/** One content line (RFC 5545 §3.1), unfolded. `value` is the raw text after the colon: no unescaping was done. */
export interface Property {
  /** Upper case. */
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly value: string;
  /** Line number in the text it was read from, from 1; 0 for a property the server made. */
  readonly line: number;
}

/** A component: VCALENDAR, VEVENT, VALARM, X-… . Immutable. */
export interface Component {
  /** Upper case. */
  readonly name: string;
  readonly properties: readonly Property[];
  readonly components: readonly Component[];
  readonly line: number;
}

/** The first property of that name (upper case). */
export const propertyOf = (component: Component, name: string): Property | undefined =>
  component.properties.find((property) => property.name === name);

export const propertiesOf = (component: Component, name: string): readonly Property[] =>
  component.properties.filter((property) => property.name === name);

/** The first value of a parameter (name in upper case). */
export const parameterOf = (property: Property, name: string): string | undefined =>
  property.parameters.find((parameter) => parameter.name === name)?.values[0];

export const componentsNamed = (component: Component, name: string): readonly Component[] =>
  component.components.filter((child) => child.name === name);
