import type { Component } from "../ical/component.ts";
import type { Utc } from "../model/ids.ts";
import { type ItipMessage, requestRoot, viewFor } from "./message.ts";
import { agentOf, attendeeIn, type Identify, organizerOf } from "./people.ts";
import { componentsOf, membersOf, seriesOf } from "./series.ts";

/** Tells attendees the present state again, each what he may know: after one of them answered (RFC 6638 §4.2), or asked for it
 *  (RFC 5546 §3.2.6). SEQUENCE stays. Those who see the same get one message.
 *  `to`: which persons; who is not served by this server is left out. */
export function refreshes(
  root: Component,
  to: (person: string) => boolean,
  owner: string,
  identify: Identify,
  now: Utc,
): readonly ItipMessage[] {
  const series = seriesOf(root);
  const groups = new Map<string, { readonly view: readonly Component[]; readonly recipients: string[] }>();
  const seen = new Set<string>();
  for (const component of componentsOf(series))
    for (const { name, value, parameters } of component.properties) {
      if (name !== "ATTENDEE" || agentOf({ name, value, parameters, line: 0 }) !== "SERVER") continue;
      const person = identify(value);
      if (person === owner || seen.has(person)) continue;
      seen.add(person);
      if (!to(person)) continue;
      const key = [...membersOf(series)]
        .flatMap(([at, one]) => (attendeeIn(one, person, identify) === undefined ? [] : [String(at)]))
        .join(",");
      const group = groups.get(key) ?? { view: viewFor(series, person, identify, "all"), recipients: [] };
      group.recipients.push(value);
      groups.set(key, group);
    }
  const originator = organizerOf(componentsOf(series))?.value ?? "";
  return [...groups.values()].map(({ view, recipients }) => ({
    method: "REQUEST",
    originator,
    recipients,
    root: requestRoot(series, view, now),
    says: { isRefresh: true, instances: [{ key: "master", id: undefined, properties: [], attendees: "partstat" }] },
  }));
}
