import type { CalendarObject } from "./calendar-object.ts";
import { type Component, type Property, propertyOf } from "./component.ts";
import { contentLineAt, propertyNameOf } from "./lines.ts";
import { parseCalendarObject } from "./parse.ts";
import { derivedInstance, hasInstance, instanceKey, isTrivial, sharedParts } from "./personal-instances.ts";
import { writeComponent } from "./write.ts";
import { zonesOf } from "./zones.ts";

/** Where a text holds something of one user only, in any spelling; cheap, and true too often rather than too seldom. */
const suspicion = /VALARM|X-MOZ-LASTACK|X-MOZ-SNOOZE|\n[ \t]/i;

/** What Thunderbird keeps of alarms that went off. */
const isMark = (name: string): boolean => name === "X-MOZ-LASTACK" || name.startsWith("X-MOZ-SNOOZE-TIME");

/** The text without what is its writer's own: alarms, and what clients note of them. Every other byte stays as it is; the text itself
 *  when there is nothing of the kind. TRANSP stays: what the owner said of it holds until somebody says otherwise. One pass,
 *  whatever the text. */
export function withoutPersonal(text: string): string {
  if (!suspicion.test(text)) return text;
  let kept = "";
  let from = 0;
  let depth = 0;
  /** Depth of the VALARM that is being left out; 0 outside. */
  let alarm = 0;
  for (let position = 0; position < text.length; ) {
    const start = position;
    const { end, line } = contentLineAt(text, start);
    position = end;
    const leave = alarm > 0;
    let personal = leave;
    if (isWord(line, "BEGIN:")) {
      depth += 1;
      if (!leave && line.slice(6).trim().toUpperCase() === "VALARM" && depth === 3) {
        alarm = depth;
        personal = true;
      }
    } else if (isWord(line, "END:")) {
      if (depth === alarm) alarm = 0;
      depth -= 1;
    } else if (!leave && depth === 2 && isMark(propertyNameOf(line))) personal = true;
    if (!personal) continue;
    kept += text.slice(from, start);
    from = end;
  }
  return from === 0 ? text : kept + text.slice(from);
}

const isWord = (line: string, word: string): boolean => line.slice(0, word.length).toUpperCase() === word;

/** What one user has of his own in a component. */
interface Own {
  readonly transparency: Property | undefined;
  readonly marks: readonly Property[];
  readonly alarms: readonly Component[];
}

const ownOf = ({ properties, components }: Component): Own => ({
  transparency: properties.find(({ name }) => name === "TRANSP"),
  marks: properties.filter(({ name }) => isMark(name)),
  alarms: components.filter(({ name }) => name === "VALARM"),
});

const isOwn = ({ name }: Property): boolean => name === "TRANSP" || isMark(name);

const withOwn = (component: Component, own: Own): Component => ({
  ...component,
  properties: [
    ...component.properties.filter((property) => !isOwn(property)),
    ...(own.transparency === undefined ? [] : [own.transparency]),
    ...own.marks,
  ],
  components: [...component.components.filter(({ name }) => name !== "VALARM"), ...own.alarms],
});

const sameOwn = (a: Own, b: Own): boolean => text(a) === text(b);
const text = ({ transparency, marks, alarms }: Own): string =>
  JSON.stringify(
    [transparency?.value.toUpperCase() ?? "OPAQUE", marks, alarms].map((part) => part),
    withoutLines,
  );
const withoutLines = (key: string, value: unknown): unknown => (key === "line" ? undefined : value);

/** `shared` as everybody sees it, with the alarms, marks and transparency that `own`, an earlier text of the same object, has. An
 *  instance for which `own` says something of its own becomes an override, if it still is one. Where `own` is of another
 *  object, or cannot be read, `shared` without anybody's alarms. */
export function laidOver(shared: string, own: string): string {
  const bare = withoutPersonal(shared);
  let mine: CalendarObject;
  let theirs: CalendarObject;
  try {
    mine = parseCalendarObject(own);
    theirs = parseCalendarObject(bare);
  } catch {
    return bare;
  }
  if (mine.uid !== theirs.uid) return bare;
  return writeComponent(merged(theirs, mine));
}

function merged(theirs: CalendarObject, mine: CalendarObject): Component {
  const myZones = zonesOf(mine.root);
  const zones = zonesOf(theirs.root);
  const master = mine.master && ownOf(mine.master);
  const overrides = new Map<string, Component>();
  for (const override of mine.overrides) overrides.set(instanceKey(override, myZones), override);
  const components: Component[] = [];
  for (const component of theirs.root.components) {
    if (component.name !== theirs.kind) {
      components.push(component);
      continue;
    }
    const isOverride = propertyOf(component, "RECURRENCE-ID") !== undefined;
    const key = isOverride ? instanceKey(component, zones) : undefined;
    const own = key === undefined ? undefined : overrides.get(key);
    if (key !== undefined) overrides.delete(key);
    const part = own === undefined ? master : ownOf(own);
    components.push(part === undefined ? component : withOwn(component, part));
  }
  for (const override of overrides.values()) {
    const id = propertyOf(override, "RECURRENCE-ID");
    const own = ownOf(override);
    if (theirs.master === undefined || id === undefined) continue;
    if ((master !== undefined && sameOwn(own, master)) || !hasInstance(theirs, id, myZones)) continue;
    components.push(withOwn(derivedInstance(theirs.master, id, zones, myZones), own));
  }
  return { ...theirs.root, components };
}

/** What the owner's file is to be when somebody else has sent `sent` for it: undefined when nothing that all see has changed, so that
 *  the file stays as it is. The owner keeps his own alarms and transparency; overrides that were there for the sender's alarms
 *  alone are left out. `current` undefined: a new object, in which the transparency sent is what all begin with. */
export function sharedText(sent: CalendarObject, current: string | undefined): string | undefined {
  const bare = compacted(sent);
  if (current === undefined) return bare;
  let before: CalendarObject;
  try {
    before = parseCalendarObject(current);
  } catch {
    return bare;
  }
  const after = parseCalendarObject(bare);
  if (sharedParts(after) === sharedParts(before)) return undefined;
  if (before.uid !== after.uid) return bare;
  const ownerHasOwn = withoutPersonal(current) !== current || transparencies(before) !== transparencies(after);
  return ownerHasOwn ? laidOver(bare, current) : bare;
}

const transparencies = ({ master, overrides }: CalendarObject): string =>
  [master, ...overrides].map((component) => component && (propertyOf(component, "TRANSP")?.value ?? "OPAQUE")).join();

/** The text without what is personal; overrides that say nothing else go too, as the RFCs' drafts ask (caldav-sharing §5.5.4). */
function compacted(sent: CalendarObject): string {
  const bare = withoutPersonal(sent.text);
  if (bare === sent.text || sent.master === undefined || sent.overrides.length === 0) return bare;
  const object = parseCalendarObject(bare);
  const trivial = new Set(object.overrides.filter((override) => isTrivial(override, object)));
  if (trivial.size === 0) return bare;
  const components = object.root.components.filter((component) => !trivial.has(component));
  return writeComponent({ ...object.root, components });
}
