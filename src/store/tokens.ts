import type { SyncToken } from "../model/ids.ts";
import type { IndexFile, State } from "./index-file.ts";

/** Sync tokens: `<era>-<revision>`. Every start of the server writes under an era of its own, so that a revision number
 *  handed out twice (index restored, volume rolled back, power cut) is never taken for the other one. */
export const tokenOf = (state: State): SyncToken => `${state.era}-${state.revision}` as SyncToken;

/** The revision a token stands for, if this index gave it out and can still answer; undefined otherwise. */
export function revisionOf(token: string, index: IndexFile, state: State): number | undefined {
  const match = /^([0-9a-f]{12})-(\d{1,15})$/.exec(token);
  if (!match) return undefined;
  const revision = Number(match[2]);
  if (revision > state.revision || revision < state.floor) return undefined;
  const eras = index.eras();
  const at = eras.findIndex(({ era }) => era === match[1]);
  const era = eras[at];
  if (!era || revision < era.first - 1) return undefined;
  const next = eras[at + 1];
  return next && revision >= next.first ? undefined : revision;
}
