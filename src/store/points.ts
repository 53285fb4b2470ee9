/** The named points of every write. A test may stop the process at one (`kill -9`) or make one fail (ENOSPC, EIO); in
 *  service there is no hook and reaching a point costs a comparison. */
export const writePoints = [
  "stage.open",
  "stage.write",
  "stage.properties",
  "stage.sync",
  "put.rename",
  "put.renamed",
  "put.rows",
  "remove.unlink",
  "remove.unlinked",
  "remove.rows",
  "move.rename",
  "move.renamed",
  "move.rows",
  "properties.intent",
  "properties.write",
  "properties.written",
  "change.sync",
  "change.commit",
  "change.committed",
  "create.stage",
  "create.properties",
  "create.rename",
  "create.renamed",
  "delete.rename",
  "delete.renamed",
  "lock.commit",
  "lock.committed",
  "job.rename",
  "job.renamed",
  "job.remove",
  "job.removed",
] as const;
export type WritePoint = (typeof writePoints)[number];

type Hook = (point: WritePoint) => void;
let hook: Hook | undefined;

/** Marks that a write has come to this point. */
export const reach = (point: WritePoint): void => hook?.(point);

/** For tests: called at every point; may throw an errno error or never return. */
export const onWritePoint = (called: Hook | undefined): void => {
  hook = called;
};
