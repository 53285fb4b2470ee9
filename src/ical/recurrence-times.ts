/** Times of day as the product of hours, minutes and seconds: up to 86,400 of them, never listed. In order of time. */
export interface TimeSet {
  readonly size: number;
  /** Seconds since the start of the day (or of the hour, or minute). */
  at(index: number): number;
  /** How many lie before `seconds`. */
  before(seconds: number): number;
}

/** Each list ascending, without duplicates, not empty. */
export function timeSet(hours: readonly number[], minutes: readonly number[], seconds: readonly number[]): TimeSet {
  const perHour = minutes.length * seconds.length;
  const below = (list: readonly number[], value: number): number => {
    let count = 0;
    while (count < list.length && list[count]! < value) count++;
    return count;
  };
  return {
    size: hours.length * perHour,
    at(index) {
      const rest = index % perHour;
      const hour = hours[(index - rest) / perHour]!;
      const second = rest % seconds.length;
      return hour * 3600 + minutes[(rest - second) / seconds.length]! * 60 + seconds[second]!;
    },
    before(time) {
      const hour = Math.floor(time / 3600);
      const minute = Math.floor((time - hour * 3600) / 60);
      let count = below(hours, hour) * perHour;
      if (!hours.includes(hour)) return count;
      count += below(minutes, minute) * seconds.length;
      return minutes.includes(minute) ? count + below(seconds, time % 60) : count;
    },
  };
}

/** BYSETPOS: the chosen indexes of a set of `size` instances, ascending. `memo` keeps them by size. */
export function positionsIn(numbers: readonly number[], size: number, memo: Map<number, readonly number[]>): readonly number[] {
  const known = memo.get(size);
  if (known !== undefined) return known;
  const chosen = new Set<number>();
  for (const number of numbers) {
    const index = number > 0 ? number - 1 : size + number;
    if (index >= 0 && index < size) chosen.add(index);
  }
  const positions = [...chosen].sort((a, b) => a - b);
  memo.set(size, positions);
  return positions;
}
