import type { FollowUps } from "./follow-ups.ts";
import { outdatedByGroups } from "./groups.ts";
import type { FollowUp } from "./jobs.ts";
import type { SchedulingServices } from "./services.ts";

/** Lets events follow the groups they invite. */
export class GroupWatch {
  readonly #services: SchedulingServices;
  readonly #followUps: FollowUps;
  #timer: NodeJS.Timeout | undefined;

  constructor(services: SchedulingServices, followUps: FollowUps) {
    this.#services = services;
    this.#followUps = followUps;
  }

  /** Looks every `interval` ms whether the directory changed; one worker of a server does. */
  start(interval: number): void {
    const { groups, warn } = this.#services;
    if (groups === undefined || this.#timer !== undefined) return;
    let seen: number | undefined;
    this.#timer = setInterval(() => {
      const generation = groups.generation();
      if (generation === seen) return;
      seen = generation;
      this.update().catch((error: unknown) => {
        seen = undefined;
        warn("members of invited groups cannot be looked up", { error });
      });
    }, interval);
    this.#timer.unref();
  }

  /** Begins to invite and uninvite for every event whose groups have other members now. */
  async update(): Promise<void> {
    const { store, groups } = this.#services;
    if (groups === undefined) return;
    for await (const { owner, uid } of outdatedByGroups(this.#services, groups)) {
      const next: FollowUp = { kind: "members", owner, uid };
      await store.exclusively("uid", uid, () => this.#followUps.add(next));
      this.#followUps.begin([next]);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
