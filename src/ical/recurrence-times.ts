/** Times of day as the product of hours, minutes and seconds: up to 86,400 of them, never listed. In order of time. */
export interface TimeSet {
  readonly size: number;
  /** Seconds since the start of the day (or of the hour, or of the minute). */
  at(index: number): number;
  /** How many lie before `seconds`. */
  before(seconds: number): number;
}

const below = (list: readonly number[], value: number): number => {
  let count = 0;
  while (count < list.length && list[count]! < value) count++;
  return count;
};

/** Each list ascending, without duplicates, not empty. */
export function timeSet(hours: readonly number[], minutes: readonly number[], seconds: readonly number[]): TimeSet {
  const perHour = minutes.length * seconds.length;
  return {
    size: hours.length * perHour,
    at(index) {
      const rest = index % perHour;
      const second = rest % seconds.length;
      return (
        hours[(index - rest) / perHour]! * 3600 + minutes[(rest - second) / seconds.length]! * 60 + seconds[second]!
      );
    },
    before(time) {
      const hour = Math.floor(time / 3600);
      const minute = Math.floor((time - hour * 3600) / 60);
      const count = below(hours, hour) * perHour;
      if (!hours.includes(hour)) return count;
      const inHour = below(minutes, minute) * seconds.length;
      return count + inHour + (minutes.includes(minute) ? below(seconds, time % 60) : 0);
    },
  };
}

/** How many steps walks may still take, together. Negative when it was used up. */
export interface Budget {
  left: number;
}

/** The instances of a rule, in blocks: the sets that BYSETPOS chooses from (RFC 5545 §3.3.10). Within a block instances ascend;
 *  a block may be empty. */
export interface Blocks {
  /** Goes to the next block, at first to the first. False after the last one, and when nothing was found in many steps. */
  advance(): boolean;
  /** Instances of this block. */
  readonly size: number;
  /** Local seconds of an instance of this block. */
  at(index: number): number;
  /** How many instances of this block lie before a local second. */
  before(local: number): number;
  /** Makes the next `advance` go to the block of a local second or to one before it. */
  seek(local: number): void;
  /** As `seek`, and answers how many blocks were left out after this one, when all of them have `evenSize` instances;
   *  undefined, without moving, when that would have to be counted block by block. */
  skipTo(local: number): number | undefined;
  readonly evenSize: number;
  /** An instance may belong to two neighbouring blocks. */
  readonly spills: boolean;
}
