/** MultiProcess.LoadBalancer.Scheduler. */
export type Scheduler = "LeastConnections" | "RoundRobin" | "LeastConnectionsAndRoundRobin";

/** Something that takes connections. */
export interface Taker {
  /** Connections it has, those on their way to it included. */
  readonly open: number;
  /** When it was last given one, as a number that grows with each. */
  readonly lastTurn: number;
}

/** Who gets the next connection: with LeastConnections the one with the fewest (of equals the first, as in the original), with
 *  LeastConnectionsAndRoundRobin of equals the one whose turn is longest ago, with RoundRobin always that one.
 *  undefined: there is none. */
export const choose = <T extends Taker>(takers: Iterable<T>, scheduler: Scheduler): T | undefined => {
  let best: T | undefined;
  for (const taker of takers) {
    if (best === undefined) best = taker;
    else if (scheduler === "RoundRobin" || taker.open === best.open) {
      if (scheduler !== "LeastConnections" && taker.lastTurn < best.lastTurn) best = taker;
    } else if (taker.open < best.open) best = taker;
  }
  return best;
};
