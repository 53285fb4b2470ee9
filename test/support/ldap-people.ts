import { beginning, entry, groupDn, groupOf, person, personDn, suffix } from "./slapd.ts";

/** user0001 … user2000 */
export const users: readonly string[] = Array.from(
  { length: 2000 },
  (_, at) => `user${String(at + 1).padStart(4, "0")}`,
);
/** Groups, each of which holds the next, and the last the first: chain001 … chain200 */
export const chain: readonly string[] = Array.from(
  { length: 200 },
  (_, at) => `chain${String(at + 1).padStart(3, "0")}`,
);

/** The users, a group `everybody` of them, the chain of groups and a room `atlantis`, as LDIF. `inChain`: which users are in
 *  the group of the chain at an index; `ofRoom`: further attributes of the room. */
export function ldifOfMany(
  inChain: (at: number) => readonly string[],
  ofRoom: Readonly<Record<string, string>> = {},
): readonly string[] {
  return [
    beginning("people", "groups", "rooms"),
    ...users.map((name) => person(name)),
    groupOf("everybody", users.map(personDn)),
    ...chain.map((name, at) =>
      groupOf(name, [...inChain(at).map(personDn), groupDn(chain[(at + 1) % chain.length] ?? name)]),
    ),
    entry(`cn=atlantis,ou=rooms,${suffix}`, {
      objectClass: "calendarLocation",
      cn: "atlantis",
      displayName: "The Atlantis Room",
      mail: "atlantis@example.com",
      ...ofRoom,
    }),
  ];
}
