import { readFileSync } from "node:fs";
import { dataFolder } from "./data-folder.ts";

/** A month of a calendar other than the Gregorian. */
export interface ScaleMonth {
  /** Leap months have half a one more than the month before them: 5.5 is the 5L of RFC 7529. */
  readonly number: number;
  /** Day number since 1970-01-01. */
  readonly first: number;
  readonly length: number;
}

export interface ScaleYear {
  readonly first: number;
  readonly length: number;
  readonly months: readonly ScaleMonth[];
}

/** A calendar that a rule may count in (RSCALE of RFC 7529), for the years that begin between 1800 and 2200. */
export class Scale {
  readonly name: string;
  readonly #text: string;
  #years: readonly ScaleYear[] | undefined;

  /** `text`: its line of scales.txt without the name. */
  constructor(name: string, text: string) {
    this.name = name;
    this.#text = text;
  }

  get years(): readonly ScaleYear[] {
    this.#years ??= yearsOf(this.#text);
    return this.#years;
  }

  /** Index of the year that a day lies in; -1 before the first, the number of years after the last. */
  indexOf(day: number): number {
    const { years } = this;
    let low = 0;
    let high = years.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (years[middle]!.first <= day) low = middle + 1;
      else high = middle;
    }
    const last = years[low - 1];
    return last !== undefined && low === years.length && day >= last.first + last.length ? low : low - 1;
  }
}

const lengths: Readonly<Record<string, number>> = { a: 5, b: 6, c: 29, d: 30, e: 31 };

function yearsOf(text: string): readonly ScaleYear[] {
  const [begin, ...written] = text.split(" ");
  let day = Number(begin);
  return written.map((letters) => {
    const first = day;
    const months: ScaleMonth[] = [];
    let number = 0;
    for (const letter of letters) {
      const small = letter.toLowerCase();
      const length = lengths[small] ?? 0;
      if (letter === small) number++;
      months.push({ number: letter === small ? number : number + 0.5, first: day, length });
      day += length;
    }
    return { first, length: day - first, months };
  });
}

// Read once at start, 54 KB; a calendar is made of its line when first asked for.
const file = readFileSync(new URL("scales.txt", dataFolder("scales", "scales.txt")), "latin1");
const scales = new Map(
  [...file.matchAll(/^([A-Z-]+) (.*)$/gm)].map(([, name = "", text = ""]) => [name, new Scale(name, text)]),
);

/** Other names of CLDR for the same months and days. */
const aliases: Readonly<Record<string, string>> = {
  GREGORY: "GREGORIAN",
  JAPANESE: "GREGORIAN",
  BUDDHIST: "GREGORIAN",
  ROC: "GREGORIAN",
  ETHIOAA: "ETHIOPIC",
  "ETHIOPIC-AMETE-ALEM": "ETHIOPIC",
  ISLAMICC: "ISLAMIC-CIVIL",
};

/** What RSCALE may be, but for other names of these. */
export const scaleNames: readonly string[] = ["GREGORIAN", ...scales.keys()];

/** The calendar of an RSCALE, in upper case; "gregorian" for those with its months and days, undefined for unknown ones. */
export function scaleNamed(written: string): Scale | "gregorian" | undefined {
  const name = aliases[written] ?? written;
  return name === "GREGORIAN" ? "gregorian" : scales.get(name);
}
