import ICAL from "ical.js";
import { Refusal } from "../model/refusal.ts";
import { type Component, type Parameter, type Property, parameterOf } from "./component.ts";
import { readCalendar } from "./read.ts";
import { unescapedItems, unescapeText } from "./text.ts";
import { writeComponent } from "./write.ts";

/** The media type of jCal. */
export const jcalType = "application/calendar+json";

type JProperty = [name: string, parameters: Record<string, string | string[]>, type: string, ...values: unknown[]];
type JComponent = [name: string, properties: JProperty[], components: JComponent[]];

/** iCalendar text as jCal (RFC 7265), a JSON text. Nothing is lost: a value that would not come back the same from its type
 *  is given as it stands, with the type "unknown". Throws as `readCalendar`. */
export const toJCal = (text: string): string => JSON.stringify(componentToJ(readCalendar(text)));

/** jCal as iCalendar text (RFC 7265 §5.2). The result is well formed; it is validated as any other text. Throws
 *  Refusal(valid-calendar-data) that names the property. */
export function fromJCal(json: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new Refusal({ code: "valid-calendar-data", problem: `not JSON: ${(error as Error).message}` });
  }
  const root = componentFromJ(parsed, 1);
  if (root.name !== "VCALENDAR") throw invalidJCal(`a vcalendar is expected, found ${root.name.toLowerCase()}`);
  return writeComponent(root);
}

const token = /^[a-z0-9_.-]+$/i;

const invalidJCal = (problem: string): Refusal =>
  new Refusal({ code: "valid-calendar-data", problem: `jCal: ${problem}` });

// ---------------------------------------------------------------------------------------------------------------- to jCal

const componentToJ = ({ name, properties, components }: Component): JComponent => [
  name.toLowerCase(),
  properties.map(propertyToJ),
  components.map(componentToJ),
];

function propertyToJ(property: Property): JProperty {
  const { value } = property;
  const name = property.name.toLowerCase();
  const parameters = parametersToJ(property.parameters);
  const declared = parameterOf(property, "VALUE")?.toLowerCase();
  if ((name === "rrule" || name === "exrule") && (declared === undefined || declared === "recur")) {
    const rule = ruleToJ(value);
    return rule === undefined ? [name, parameters, "unknown", value] : [name, parameters, "recur", rule];
  }
  const typed = valueToJ(property.name, declared, value);
  if (typed !== undefined) return [name, parameters, ...typed];
  // A date that lacks VALUE=DATE.
  if (declared === undefined && /^\d{8}$/.test(value)) {
    const date = valueToJ(property.name, "date", value);
    if (date !== undefined) return [name, parameters, ...date];
  }
  return [name, parameters, "unknown", value];
}

/** ical.js knows the types of properties and the forms of values, but makes something of anything: what it cannot turn back
 *  into the same value is refused here. */
function valueToJ(
  name: string,
  type: string | undefined,
  value: string,
): [type: string, ...values: unknown[]] | undefined {
  const head = type === undefined ? name : `${name};VALUE=${type.toUpperCase()}`;
  try {
    const converted = ICAL.parse.property(`${head}:${value}`) as JProperty;
    const back = ICAL.stringify.property(converted, ICAL.design.icalendar, true);
    const written = back.slice(back.indexOf(":") + 1);
    const isSame = written === value || (converted[2] === "text" && sameText(written, value));
    return isSame ? [converted[2], ...converted.slice(3)] : undefined;
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** \N for \n, or an escape that was not needed. */
const sameText = (one: string, other: string): boolean =>
  unescapeText(one) === unescapeText(other) && unescapedItems(one).length === unescapedItems(other).length;

function parametersToJ(parameters: readonly Parameter[]): Record<string, string | string[]> {
  const byName = new Map<string, string[]>();
  for (const { name, values } of parameters) {
    if (name === "VALUE") continue;
    const key = name.toLowerCase();
    byName.set(key, [...(byName.get(key) ?? []), ...values]);
  }
  return Object.fromEntries(
    [...byName].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? "") : values]),
  );
}

const numbers = /^[+-]?\d{1,15}$/;

/** RFC 7265 §3.6.10. Undefined when a part is not NAME=value, or comes twice. */
function ruleToJ(value: string): Record<string, unknown> | undefined {
  const parts = new Map<string, unknown>();
  for (const part of value.split(";")) {
    const [name = "", text, more] = part.split("=");
    const key = name.toLowerCase();
    if (!token.test(name) || text === undefined || more !== undefined || parts.has(key)) return undefined;
    parts.set(key, partToJ(key, text));
  }
  return Object.fromEntries(parts);
}

function partToJ(key: string, text: string): unknown {
  if (key === "until") return dateToJ(text);
  const items = text.split(",").map((item) => (numbers.test(item) ? Number(item) : item));
  return items.length === 1 ? items[0] : items;
}

const dateToJ = (text: string): string =>
  text.replace(/^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/, (_, year, month, day, hour, minute, second, z) =>
    hour === undefined ? `${year}-${month}-${day}` : `${year}-${month}-${day}T${hour}:${minute}:${second}${z}`,
  );

// -------------------------------------------------------------------------------------------------------------- from jCal

const maxDepth = 16;

function componentFromJ(value: unknown, depth: number): Component {
  if (!Array.isArray(value) || value.length !== 3) throw invalidJCal("a component is a list of three");
  const [name, properties, components]: unknown[] = value;
  if (typeof name !== "string" || !token.test(name)) throw invalidJCal("a component begins with its name");
  if (!Array.isArray(properties) || !Array.isArray(components))
    throw invalidJCal(`${name}: the properties and the components are lists`);
  if (depth === maxDepth && components.length > 0) throw invalidJCal(`components nested deeper than ${maxDepth}`);
  return {
    name: name.toUpperCase(),
    properties: properties.map((property) => propertyFromJ(property, name)),
    components: components.map((component) => componentFromJ(component, depth + 1)),
    line: 0,
  };
}

function propertyFromJ(value: unknown, owner: string): Property {
  if (!Array.isArray(value) || value.length < 4) throw invalidJCal(`${owner}: a property is a list of four or more`);
  const [name, parameters, type, ...values]: unknown[] = value;
  if (typeof name !== "string" || !token.test(name) || typeof type !== "string" || !token.test(type))
    throw invalidJCal(`${owner}: a property begins with its name, its parameters and its type`);
  const written = valueFromJ(name, type.toLowerCase(), values);
  if (/[\r\n\0]/.test(written.value)) throw invalidJCal(`${owner}: the value of ${name} has a line end in it`);
  const own = parametersFromJ(parameters, name);
  return {
    name: name.toUpperCase(),
    parameters: written.type === undefined ? own : [{ name: "VALUE", values: [written.type] }, ...own],
    value: written.value,
    line: 0,
  };
}

/** The value as text, and the VALUE parameter when the type is not the property's own. */
function valueFromJ(
  name: string,
  type: string,
  values: readonly unknown[],
): { value: string; type: string | undefined } {
  if (!values.every(isPlain)) throw invalidJCal(`${name}: its type ${type} has other values`);
  if (type === "unknown") return { value: values.map(String).join(","), type: undefined };
  if (type === "recur") return { value: values.map((rule) => ruleFromJ(rule, name)).join(","), type: undefined };
  if (values.some((value) => isObject(value))) throw invalidJCal(`${name}: its type ${type} has other values`);
  try {
    const converted: JProperty = [name.toLowerCase(), {}, type, ...values.map(withoutReturns)];
    const line = ICAL.stringify.property(converted, ICAL.design.icalendar, true);
    const colon = line.indexOf(":");
    return { value: line.slice(colon + 1), type: /;VALUE=([^:;]+)/.exec(line.slice(0, colon))?.[1] };
  } catch (error) {
    throw invalidJCal(`${name}: ${error instanceof Error ? error.message : "its value cannot be written"}`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean";
const isPlain = (value: unknown): boolean =>
  isScalar(value) || isObject(value) || (Array.isArray(value) && value.every(isScalar));

/** TEXT has one line end, LF. */
const withoutReturns = (value: unknown): unknown =>
  typeof value === "string" ? value.replace(/\r\n?/g, "\n") : Array.isArray(value) ? value.map(withoutReturns) : value;

function ruleFromJ(rule: unknown, name: string): string {
  if (!isObject(rule)) throw invalidJCal(`${name}: a rule is an object of its parts`);
  return Object.entries(rule)
    .map(([key, part]) => {
      const items: unknown[] = Array.isArray(part) ? part : [part];
      if (!token.test(key) || !items.every(isScalar)) throw invalidJCal(`${name}: ${key} is no part of a rule`);
      const text = items.map(String).join(",");
      return `${key.toUpperCase()}=${key.toLowerCase() === "until" ? dateFromJ(text) : text}`;
    })
    .join(";");
}

const dateFromJ = (text: string): string =>
  text.replace(/^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(Z?))?$/, (found) => found.replace(/[-:]/g, ""));

function parametersFromJ(parameters: unknown, name: string): readonly Parameter[] {
  if (!isObject(parameters)) throw invalidJCal(`${name}: its parameters are an object`);
  return Object.entries(parameters).map(([key, value]) => {
    const values: unknown[] = Array.isArray(value) ? value : [value];
    if (!token.test(key) || values.length === 0 || !values.every(isScalar))
      throw invalidJCal(`${name}: ${key} is no parameter with text values`);
    return { name: key.toUpperCase(), values: values.map((text) => String(text).replace(/\r\n?/g, "\n")) };
  });
}
