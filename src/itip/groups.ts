import type { Component, Property } from "../ical/component.ts";
import { parameterOf } from "../ical/component.ts";
import { made, withParameter } from "../ical/edit.ts";
import { agentOf, attendeeIn, type Identify } from "./people.ts";
import { type Key, mapMembers, type Series, seriesOf } from "./series.ts";

/** Somebody who is invited because a group is. */
export interface Member {
  /** As `identify` names him. */
  readonly id: string;
  readonly address: string;
  /** CN; undefined: none. */
  readonly name: string | undefined;
  /** CUTYPE (RFC 5545 §3.2.3). */
  readonly type: string;
}

/** The members of each group of this server that an object names, by what `identify` gives for the group. */
export type Groups = ReadonlyMap<string, readonly Member[]>;

/** The organizer's object with the members of its groups among the ATTENDEEs, each with MEMBER (RFC 5545 §3.2.11) in every component
 *  that invites the group. Who was invited as a member and is none any more, or whose group was taken off, goes; who is
 *  invited by his own name stays, and what is known of somebody's answer (`before`) too. The root itself when there is nothing
 *  to do. */
export function withGroupMembers(
  before: Component | undefined,
  after: Component,
  groups: Groups,
  owner: string,
  identify: Identify,
): Component {
  if (groups.size === 0) return after;
  const was = before && seriesOf(before);
  return mapMembers(seriesOf(after), (component, key) => {
    const old = was && oldOf(was, key);
    const invited = groupsIn(component, groups, identify);
    const wasInvited = old === undefined ? new Map<string, Property>() : groupsIn(old, groups, identify);
    if (invited.size + wasInvited.size === 0) return component;
    const kept = keptAttendees(component, { old, invited, wasInvited, groups, owner, identify });
    const added = addedMembers(kept, { old, invited, groups, owner, identify });
    if (added.length === 0 && kept === component.properties) return component;
    return { ...component, properties: [...kept, ...added] };
  });
}

const oldOf = (was: Series, key: Key): Component | undefined =>
  key === "master" ? was.master : (was.overrides.get(key) ?? was.master);

interface Reading {
  readonly old: Component | undefined;
  readonly invited: ReadonlyMap<string, Property>;
  readonly groups: Groups;
  readonly owner: string;
  readonly identify: Identify;
}

/** The groups that a component invites. */
function groupsIn({ properties }: Component, groups: Groups, identify: Identify): Map<string, Property> {
  const found = new Map<string, Property>();
  for (const property of properties) {
    if (property.name !== "ATTENDEE" || agentOf(property) !== "SERVER") continue;
    const id = identify(property.value);
    if (groups.has(id)) found.set(id, property);
  }
  return found;
}

function keptAttendees(
  { properties }: Component,
  reading: Reading & { readonly wasInvited: ReadonlyMap<string, Property> },
): readonly Property[] {
  const { invited, identify } = reading;
  let changed = false;
  const kept: Property[] = [];
  for (const property of properties) {
    const edited =
      property.name !== "ATTENDEE"
        ? property
        : invited.has(identify(property.value))
          ? asGroup(property)
          : withPresentGroups(property, reading);
    if (edited !== property) changed = true;
    if (edited !== undefined) kept.push(edited);
  }
  return changed ? kept : properties;
}

const asGroup = (property: Property): Property =>
  parameterOf(property, "CUTYPE") === undefined ? withParameter(property, "CUTYPE", "GROUP") : property;

const membershipsOf = (property: Property | undefined): readonly string[] =>
  property?.parameters.filter(({ name }) => name === "MEMBER").flatMap(({ values }) => values) ?? [];

/** An attendee with the groups that he is invited with now; undefined when there is none left. */
function withPresentGroups(
  property: Property,
  { old, invited, wasInvited, groups, owner, identify }: Parameters<typeof keptAttendees>[1],
): Property | undefined {
  const person = identify(property.value);
  const written = membershipsOf(property);
  // Clients that do not know MEMBER leave it out.
  const known = written.length > 0 || old === undefined ? written : membershipsOf(attendeeIn(old, person, identify));
  if (known.length === 0) return property;
  const present = known.filter((address) => {
    const group = identify(address);
    if (invited.has(group)) return groups.get(group)?.some(({ id }) => id === person) === true;
    // Of a group that was never invited here: a client has taken it apart itself.
    return !wasInvited.has(group) && written.includes(address);
  });
  if (present.length === known.length && written.length > 0) return property;
  if (present.length > 0) return withMemberships(property, present);
  return person === owner || (written.length === 0 && known.every((one) => !invited.has(identify(one))))
    ? withMemberships(property, [])
    : undefined;
}

function withMemberships(property: Property, groups: readonly string[]): Property {
  const others = property.parameters.filter(({ name }) => name !== "MEMBER");
  if (groups.length > 0) return { ...property, parameters: [...others, { name: "MEMBER", values: groups }] };
  return others.length === property.parameters.length ? property : { ...property, parameters: others };
}

function addedMembers(
  kept: readonly Property[],
  { old, invited, groups, owner, identify }: Reading,
): readonly Property[] {
  const there = new Set<string>();
  for (const { name, value } of kept) if (name === "ATTENDEE") there.add(identify(value));
  const added = new Map<string, { readonly member: Member; readonly by: Property[] }>();
  for (const [id, group] of invited)
    for (const member of groups.get(id) ?? []) {
      if (member.id === owner || there.has(member.id)) continue;
      const known = added.get(member.id);
      if (known === undefined) added.set(member.id, { member, by: [group] });
      else known.by.push(group);
    }
  return [...added.values()].map(({ member, by }) => {
    const stored = old && attendeeIn(old, member.id, identify);
    const memberships = by.map(({ value }) => value);
    return withMemberships(stored ?? invitedAs(member, by[0]), memberships);
  });
}

function invitedAs({ address, name, type }: Member, group: Property | undefined): Property {
  const role = group && parameterOf(group, "ROLE");
  return made("ATTENDEE", address, [
    ...(name === undefined ? [] : [{ name: "CN", values: [name] }]),
    ...(type === "INDIVIDUAL" ? [] : [{ name: "CUTYPE", values: [type] }]),
    { name: "PARTSTAT", values: ["NEEDS-ACTION"] },
    ...(role === undefined ? [] : [{ name: "ROLE", values: [role] }]),
    { name: "RSVP", values: ["TRUE"] },
  ]);
}
