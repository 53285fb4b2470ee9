import type { Component } from "../ical/component.ts";
import type { Utc } from "../model/ids.ts";
import { type ItipMessage, type MessageSummary, requestRoot, viewFor } from "./message.ts";
import { agentOf, attendeeIn, type Identify, organizerOf } from "./people.ts";
import { componentsOf, membersOf, seriesOf } from "./series.ts";

/** Why somebody is told the present state: after others answered (RFC 6638 §4.2), since he asked for it (RFC 5546 §3.2.6), or
 *  since an attendee sends him in his place and he has never been told (RFC 5546 §4.2.5). */
export type RefreshReason = "answers" | "asked" | "invited";

const sayings: Readonly<Record<RefreshReason, MessageSummary | undefined>> = {
  answers: { isRefresh: true, instances: [{ key: "master", id: undefined, properties: [], attendees: "partstat" }] },
  asked: { isRefresh: true, isAsked: true, instances: [] },
  invited: undefined,
};

/** Tells attendees the present state again, each what he may know. SEQUENCE stays. Those who see the same for the same reason get one
 *  message. `why`: for each person; undefined: he is told nothing. Who is not served by this server is left out. */
export function refreshes(
  root: Component,
  why: (person: string) => RefreshReason | undefined,
  owner: string,
  identify: Identify,
  now: Utc,
): readonly ItipMessage[] {
  const series = seriesOf(root);
  const groups = new Map<string, { view: readonly Component[]; recipients: string[]; reason: RefreshReason }>();
  const seen = new Set<string>();
  for (const component of componentsOf(series))
    for (const { name, value, parameters } of component.properties) {
      if (name !== "ATTENDEE" || agentOf({ name, value, parameters, line: 0 }) !== "SERVER") continue;
      const person = identify(value);
      if (person === owner || seen.has(person)) continue;
      seen.add(person);
      const reason = why(person);
      if (reason === undefined) continue;
      const keys = [...membersOf(series)].flatMap(([at, one]) =>
        attendeeIn(one, person, identify) === undefined ? [] : [String(at)],
      );
      const key = `${reason} ${keys.join(",")}`;
      const group = groups.get(key) ?? { view: viewFor(series, person, identify, "all"), recipients: [], reason };
      group.recipients.push(value);
      groups.set(key, group);
    }
  const originator = organizerOf(componentsOf(series))?.value ?? "";
  return [...groups.values()].map(({ view, recipients, reason }) => ({
    method: "REQUEST",
    originator,
    recipients,
    root: requestRoot(series, view, now),
    says: sayings[reason],
  }));
}
