import { type Component, type Property, parameterOf, propertiesOf } from "../ical/component.ts";
import { made, mapProperties, withProperties } from "../ical/edit.ts";
import { keyOf } from "../ical/recurrence-set.ts";
import { readDateTime } from "../ical/time.ts";
import { Refusal } from "../model/refusal.ts";
import {
  componentAt,
  componentsOf,
  deriveInstance,
  isPlainInstance,
  isRecurring,
  type Key,
  mapMembers,
  type Series,
  seriesOf,
  withMember,
} from "./series.ts";

/** Names one managed attachment (RFC 8607 §4.1 `managed-id`): 32 hexadecimal digits, which nobody guesses. */
export type ManagedId = string & { readonly brand: "managed-id" };

const pattern = /^[0-9a-f]{32}$/;
export const isManagedId = (text: string): text is ManagedId => pattern.test(text);

/** What an ATTACH line says of a managed attachment. */
export interface Described {
  readonly id: ManagedId;
  /** Absolute. */
  readonly url: string;
  /** As the client called it. */
  readonly filename: string;
  /** A media type. */
  readonly type: string;
  readonly size: number;
}

/** The ATTACH that stands for it (RFC 8607 §4). */
export const attachProperty = ({ id, url, filename, type, size }: Described): Property =>
  made("ATTACH", url, [
    { name: "MANAGED-ID", values: [id] },
    { name: "FMTTYPE", values: [type] },
    { name: "SIZE", values: [`${size}`] },
    { name: "FILENAME", values: [filename] },
  ]);

const inAddress = /\/dropbox\/managed\/([0-9a-f]{32})-[^/]*$/;

/** The MANAGED-ID of an ATTACH as written, whether or not it can be one; else the one that its address names, for clients that lose
 *  parameters which they do not know. Undefined for an attachment that nobody manages. */
export function managedIdOf(attach: Property): string | undefined {
  return parameterOf(attach, "MANAGED-ID") ?? inAddress.exec(attach.value)?.[1];
}

/** The managed attachments of a component. */
export const managedIn = (component: Component): ReadonlySet<string> =>
  new Set(propertiesOf(component, "ATTACH").flatMap((attach) => managedIdOf(attach) ?? []));

/** Those of all components of an object, with their addresses as written. */
export function allManaged(root: Component): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const component of root.components)
    for (const attach of propertiesOf(component, "ATTACH")) {
      const id = managedIdOf(attach);
      if (id !== undefined) found.set(id, attach.value);
    }
  return found;
}

/** Which components a request is about (RFC 8607 §3.3.2 `rid`): "all", or the master and instances by their keys. */
export type Scope = "all" | readonly Key[];

/** Reads the value of `rid`: `M` for the master, else a RECURRENCE-ID; several with commas. Throws Refusal(valid-rid-parameter). */
export function scopeOf(rid: string, root: Component): Scope {
  const series = seriesOf(root);
  const keys = rid.split(",").map((part): Key => {
    const text = part.trim();
    const key = text === "M" ? "master" : keyAt(text, series);
    if (key === undefined || (componentAt(series, key) === undefined && !isDerivable(series, key)))
      throw new Refusal({ code: "valid-rid-parameter", problem: `rid: there is no instance ${text.slice(0, 40)}` });
    return key;
  });
  if (new Set(keys).size < keys.length)
    throw new Refusal({ code: "valid-rid-parameter", problem: "rid: an instance is named twice" });
  return keys;
}

const isDerivable = (series: Series, key: Key): boolean =>
  key !== "master" && isRecurring(series) && isPlainInstance(series, key);

function keyAt(text: string, series: Series): Key | undefined {
  const form = /^\d{8}$/.test(text) ? "DATE" : "DATE-TIME";
  try {
    const property = made("RECURRENCE-ID", text, [{ name: "VALUE", values: [form] }]);
    const time = readDateTime(property, text, series.zones);
    return series.start === undefined ? undefined : keyOf(time, series.start);
  } catch {
    return undefined;
  }
}

/** The object with each component in the scope edited. An instance that has no component of its own gets one (RFC 8607 §3.3.2). */
function inScope(root: Component, scope: Scope, edit: (component: Component) => Component): Component {
  if (scope === "all") return mapMembers(seriesOf(root), edit);
  let after = root;
  // Instances first: what is made of the master is made of it as it was.
  for (const key of [...scope].sort((a, b) => Number(a === "master") - Number(b === "master"))) {
    const series = seriesOf(after);
    const component = componentAt(series, key) ?? (key === "master" ? undefined : deriveInstance(series, key));
    if (component !== undefined) after = withMember(series, key, edit(component));
  }
  return after;
}

export const withAttachment = (root: Component, scope: Scope, attach: Property): Component =>
  inScope(root, scope, (component) =>
    withProperties(component, "ATTACH", [...propertiesOf(component, "ATTACH"), attach]),
  );

export const withoutAttachment = (root: Component, scope: Scope, id: string): Component =>
  inScope(root, scope, (component) =>
    mapProperties(component, (property) =>
      property.name === "ATTACH" && managedIdOf(property) === id ? undefined : property,
    ),
  );

/** With another in its place, wherever it stands. */
export const withReplaced = (root: Component, id: string, attach: Property): Component =>
  inScope(root, "all", (component) =>
    mapProperties(component, (property) =>
      property.name === "ATTACH" && managedIdOf(property) === id ? attach : property,
    ),
  );

/** Whether a component in the scope holds it. */
export function holdsInScope(root: Component, scope: Scope, id: string): boolean {
  const series = seriesOf(root);
  if (scope === "all") return componentsOf(series).some((component) => managedIn(component).has(id));
  return scope.every((key) => {
    const component = componentAt(series, key) ?? (key === "master" ? undefined : deriveInstance(series, key));
    return component !== undefined && managedIn(component).has(id);
  });
}
