import type { Utc } from "../model/ids.ts";
import { utc } from "../model/ids.ts";

/** A time zone: offsets over time. Immutable to its users; zones of one definition are one object per process. */
export interface Zone {
  /** The IANA name, or the TZID of the VTIMEZONE it was read from. */
  readonly id: string;
  /** Seconds east of UTC in force at that instant. */
  offsetAt(at: Utc): number;
  /** The instant of a wall clock reading, given as local seconds "as if UTC". RFC 5545 §3.3.5: a time in a gap is read with
   *  the offset before the gap, a time that occurs twice is the first of the two. */
  toUtc(local: number): Utc;
  /** The offset never changes. */
  readonly fixed: boolean;
}

class FixedZone implements Zone {
  readonly id: string;
  readonly fixed = true;
  readonly #offset: number;

  constructor(id: string, offset: number) {
    this.id = id;
    this.#offset = offset;
  }

  offsetAt(_at: Utc): number {
    return this.#offset;
  }

  toUtc(local: number): Utc {
    return utc(local - this.#offset);
  }
}

/** A zone that never changes. Offset in seconds east of UTC. */
export const fixedZone = (id: string, offset: number): Zone => new FixedZone(id, offset);

export const utcZone: Zone = fixedZone("UTC", 0);

/** Offset changes in order of time: from `at[i]` on, `offsets[i]` is in force, until the next. */
export interface Transitions {
  readonly at: readonly number[];
  readonly offsets: readonly number[];
}

/** Gives all transitions of a zone up to an instant (the end of a year); called again with a later one when needed. */
export type TransitionSource = (until: number) => Transitions;

// Civil offsets stay within a day of UTC, so a local reading is at most this far from the instant it means.
const slack = 86_400;
// Transitions are computed some years further than asked, so that a calendar used from day to day extends them rarely.
const ahead = 4 * 366 * 86_400;
/** Transitions are followed up to 2100-01-01; the offset then in force stays. */
export const lastTransition = 4_102_444_800;

class ChangingZone implements Zone {
  readonly id: string;
  readonly fixed = false;
  readonly #first: number;
  readonly #source: TransitionSource;
  #at: readonly number[] = [];
  #offsets: readonly number[] = [];
  /** Transitions before this instant are known. */
  #known = Number.NEGATIVE_INFINITY;

  constructor(id: string, firstOffset: number, source: TransitionSource) {
    this.id = id;
    this.#first = firstOffset;
    this.#source = source;
  }

  offsetAt(at: Utc): number {
    this.#extend(at);
    const index = this.#indexAt(at);
    return index < 0 ? this.#first : this.#offsets[index]!;
  }

  toUtc(local: number): Utc {
    this.#extend(local + slack);
    const at = this.#at;
    // From the stretch surely too early forward: the first stretch that has not ended yet by its own clock is the one.
    let index = this.#indexAt(local - slack);
    let offset = index < 0 ? this.#first : this.#offsets[index]!;
    let before = offset;
    while (index + 1 < at.length && local >= at[index + 1]! + offset) {
      before = offset;
      index++;
      offset = this.#offsets[index]!;
    }
    return utc(index >= 0 && local < at[index]! + offset ? local - before : local - offset);
  }

  /** Index of the last transition at or before the instant, -1 before the first. */
  #indexAt(at: number): number {
    const list = this.#at;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (list[middle]! <= at) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #extend(at: number): void {
    if (at < this.#known || this.#known >= lastTransition) return;
    const until = Math.min(at + ahead, lastTransition);
    const { at: list, offsets } = this.#source(until);
    this.#at = list;
    this.#offsets = offsets;
    this.#known = until;
  }
}

/** A zone from its transitions. `firstOffset` is in force before the first of them. */
export const changingZone = (id: string, firstOffset: number, source: TransitionSource): Zone =>
  new ChangingZone(id, firstOffset, source);
