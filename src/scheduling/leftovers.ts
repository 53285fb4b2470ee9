import { deliverAll } from "./deliver.ts";
import { type FollowUp, type ImplicitJob, implicitName, outgoing, readJob } from "./jobs.ts";
import { People } from "./people.ts";
import { withOutcome } from "./plan.ts";
import type { SchedulingServices } from "./services.ts";
import { putObject, removeObject, withText } from "./store-object.ts";

/** Where what follows is written down and begun. */
interface Following {
  add(next: FollowUp): Promise<void>;
  begin(later: readonly FollowUp[]): void;
}

/** Runs `work` under the lock of a UID. What a process that died had begun with that UID is carried on first: the next to come must
 *  not plan over half an operation, nor have it end after his own. */
export async function withUid<T>(
  uid: string,
  services: SchedulingServices,
  following: Following,
  work: () => Promise<T>,
): Promise<T> {
  const later: FollowUp[] = [];
  const done = await services.store.exclusively("uid", uid, async () => {
    try {
      await carryOnHere(implicitName(uid), services, following, later);
    } catch (error) {
      services.warn("messages that a stopped process left could not be delivered", { uid: uid.slice(0, 200), error });
    }
    return work();
  });
  following.begin(later);
  return done;
}

/** Carries on what a process that died had written down, unless somebody has by now. Takes the lock of the UID. */
export async function carryOn(
  name: string,
  uid: string,
  services: SchedulingServices,
  following: Following,
): Promise<void> {
  const later: FollowUp[] = [];
  await services.store.exclusively("uid", uid, () => carryOnHere(name, services, following, later));
  following.begin(later);
}

async function carryOnHere(
  name: string,
  services: SchedulingServices,
  following: Following,
  later: FollowUp[],
): Promise<void> {
  const { jobs } = services.store;
  const text = await jobs.read(name);
  const job = text === undefined ? undefined : readJob(text);
  if (job?.kind !== "implicit") return;
  const people = new People((address) => services.calendarUser(address));
  const statuses = await deliverAll(
    job.messages.map(outgoing),
    {
      id: job.id,
      people,
      may: undefined,
      isRepeated: true,
      job: name,
      followUp: (next) => void later.push(next),
    },
    services,
  );
  await restore(job, statuses, people, services);
  for (const next of later) await following.add(next);
  await jobs.remove(name);
}

/** The owner's own object, if it still is what it was before. */
async function restore(
  { object }: ImplicitJob,
  statuses: ReadonlyMap<string, string>,
  people: People,
  services: SchedulingServices,
): Promise<void> {
  if (object === undefined) return;
  const { owner, path, name, before, text, tag, role } = object;
  const principal = await services.userByUid(owner);
  const collection = principal && (await services.store.open({ owner: principal, path }));
  if (collection === undefined) return;
  const entry = await collection.entry(name);
  if ((entry?.etag ?? null) !== before) return;
  if (text === null) {
    if (entry !== undefined) await removeObject(collection, entry);
    return;
  }
  const { root } = outgoing({ method: "REQUEST", originator: "", recipients: [], text, says: undefined }).source;
  await people.learn(root);
  const told = withText(withOutcome(root, role, statuses, people), [{ text, root }]);
  await putObject(collection, name, told, entry, tag ?? undefined);
}
