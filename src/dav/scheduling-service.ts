import type { PrincipalUid } from "../model/ids.ts";
import type { Channel } from "../scheduling/channels.ts";
import { FollowUps } from "../scheduling/follow-ups.ts";
import { Scheduling } from "../scheduling/implicit.ts";
import type { SchedulingServices } from "../scheduling/services.ts";
import { makePrivileges } from "./privileges.ts";
import { supportedKinds } from "./properties/calendar.ts";
import type { Services } from "./registry.ts";
import { floatingZoneOf } from "./reports/floating-zone.ts";
import { calendarUser, resolveHref } from "./resolve.ts";

/** The services with the scheduling service among them, which looks at the tree as the server itself. `channels`: the ways to people
 *  of other servers. */
export function withScheduling(others: Omit<Services, "scheduling">, channels: readonly Channel[] = []): Services {
  const { store, directory, urls, settings, now, warn } = others;
  const lent: SchedulingServices = {
    store,
    now,
    warn,
    channels,
    memberHref: urls.member,
    organizers: settings.scheduling.organizers,
    groups:
      settings.scheduling.groupMembers === undefined
        ? undefined
        : {
            members: (group, atMost) => directory.expandedMembers(group, atMost),
            generation: () => directory.generation(),
            maxMembers: settings.scheduling.groupMembers,
            maxAttendees: settings.maxAttendeesPerInstance,
          },
    privateComments: settings.scheduling.privateComments,
    calendarUser: (address) => calendarUser(address, directory, urls),
    userByUid: (uid) => directory.byUid(uid as PrincipalUid),
    calendarAt: async (href) => {
      const context = { user: undefined, services, privileges: makePrivileges(undefined, services) };
      const found = await resolveHref(href, context);
      return found?.kind === "calendar" ? found.collection : undefined;
    },
    kindsOf: async (collection) => supportedKinds(await collection.properties()),
    floatingZoneOf,
  };
  const services: Services = { ...others, scheduling: new Scheduling(lent, new FollowUps(lent)) };
  return services;
}
