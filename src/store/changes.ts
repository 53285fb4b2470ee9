import type { SyncToken } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import type { Changes } from "./contract.ts";
import type { IndexFile, State } from "./index-file.ts";
import { revisionOf, tokenOf } from "./tokens.ts";

/** What changed since a token, at most `limit` of it, in order of revision (RFC 6578 §3.5, §3.6). Undefined token: all there
 *  is. Throws Refusal(valid-sync-token) for a token the index did not give out or can no longer answer. */
export function changesSince(index: IndexFile, state: State, token: SyncToken | undefined, limit: number): Changes {
  const since = token === undefined ? 0 : revisionOf(token, index, state);
  if (since === undefined) throw new Refusal({ code: "valid-sync-token" });
  const wanted = Math.min(limit, Number.MAX_SAFE_INTEGER - 1) + 1;
  const changed = index.changedSince(since, wanted);
  const removed = token === undefined ? [] : index.removedSince(since, wanted);
  if (changed.length + removed.length <= limit)
    return {
      token: tokenOf(state),
      changed: changed.map(({ entry }) => entry),
      removed: removed.map(({ name }) => name),
      unheard: unheardOf(changed, removed),
      truncated: false,
    };
  // The token stands after the last one given.
  const revisions = [...changed, ...removed].map(({ revision }) => revision).sort((a, b) => a - b);
  const last = revisions[Math.max(0, limit - 1)] ?? since;
  return {
    token: tokenAt(last, index),
    changed: changed.filter(({ revision }) => revision <= last).map(({ entry }) => entry),
    removed: removed.filter(({ revision }) => revision <= last).map(({ name }) => name),
    unheard: unheardOf(changed, removed),
    truncated: true,
  };
}

const unheardOf = (
  changed: ReturnType<IndexFile["changedSince"]>,
  removed: ReturnType<IndexFile["removedSince"]>,
): ReadonlySet<string> => {
  const names = new Set<string>();
  for (const { entry, known } of changed) if (!known) names.add(entry.name);
  for (const { name, known } of removed) if (!known) names.add(name);
  return names;
};

function tokenAt(revision: number, index: IndexFile): SyncToken {
  const eras = index.eras();
  const era = eras.findLast(({ first }) => first <= revision) ?? eras[0];
  return `${era?.era ?? ""}-${revision}` as SyncToken;
}
