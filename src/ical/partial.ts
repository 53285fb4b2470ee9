import type { TimeRange } from "../model/ids.ts";
import type { CalendarObject } from "./calendar-object.ts";
import type { Component, Property } from "./component.ts";
import { expanded } from "./expand.ts";
import { withLimitedFreeBusy, withLimitedOverrides } from "./limit-set.ts";
import { writeComponent } from "./write.ts";
import type { Zone } from "./zones.ts";

/** CALDAV:prop inside CALDAV:comp (RFC 4791 §9.6.4). Name in upper case. */
export interface PropSelection {
  readonly name: string;
  /** The value is left out: `NAME;parameters:`. */
  readonly noValue: boolean;
}

/** CALDAV:comp (RFC 4791 §9.6.1). Name in upper case. With neither properties nor components named, all of both are meant,
 *  as in the RFC's example `<comp name="VTIMEZONE"/>`. */
export interface CompSelection {
  readonly name: string;
  readonly props: "all" | readonly PropSelection[];
  readonly comps: "all" | readonly CompSelection[];
}

/** What a report wants to see of an object: CALDAV:calendar-data (RFC 4791 §9.6). Nothing set: the text as it is stored. */
export interface DataSelection {
  /** Of VCALENDAR. */
  readonly comp?: CompSelection;
  readonly expand?: TimeRange;
  readonly limitRecurrenceSet?: TimeRange;
  readonly limitFreeBusySet?: TimeRange;
}

/** The object's text, cut to the selection. Stored text is given back untouched when nothing needs to be cut.
 *  Throws Refusal(number-of-recurrences-within-limits) when `expand` makes more than `limit` instances. */
export function selectData(
  object: CalendarObject,
  selection: DataSelection,
  floatingZone: Zone,
  limit: number,
): string {
  const { comp, expand, limitRecurrenceSet, limitFreeBusySet } = selection;
  let root = object.root;
  if (expand !== undefined) root = expanded(object, expand, floatingZone, limit);
  else if (limitRecurrenceSet !== undefined) root = withLimitedOverrides(object, limitRecurrenceSet, floatingZone);
  if (limitFreeBusySet !== undefined) root = withLimitedFreeBusy(root, limitFreeBusySet);
  if (comp !== undefined) root = cut(root, comp);
  return root === object.root ? object.text : writeComponent(root);
}

/** The component itself when all of it is selected. */
function cut(component: Component, { props, comps }: CompSelection): Component {
  if (props.length === 0 && comps.length === 0) return component;
  if (props === "all" && comps === "all") return component;
  return {
    ...component,
    properties: props === "all" ? component.properties : cutProperties(component.properties, props),
    components:
      comps === "all"
        ? component.components
        : component.components.flatMap((child) => {
            const selected = comps.find(({ name }) => name === child.name);
            return selected === undefined ? [] : [cut(child, selected)];
          }),
  };
}

const cutProperties = (properties: readonly Property[], selected: readonly PropSelection[]): readonly Property[] =>
  properties.flatMap((property) => {
    const selection = selected.find(({ name }) => name === property.name);
    if (selection === undefined) return [];
    return [selection.noValue ? { ...property, value: "" } : property];
  });
