import { de, en, es, fr, ja } from "./words.ts";

/** Languages that mails are written in. */
export const languages = ["en", "de", "fr", "es", "ja"] as const;
export type Language = (typeof languages)[number];

type Every = Readonly<Record<"DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY", string>>;

/** What a mail is. */
export type Tone =
  | "invitation"
  | "update"
  | "current"
  | "cancelled"
  | "accepted"
  | "declined"
  | "tentative"
  | "answered"
  | "proposal"
  | "proposalDeclined"
  | "question";

/** What of an event can change, as mails name it. */
export type Aspect = "time" | "place" | "title" | "description" | "repetition" | "people" | "status" | "other";

/** The words of mails. `%1`, `%2`: what is put in. */
export interface Words {
  /** For dates and times (Intl). */
  readonly locale: string;
  /** Subjects; %1: the event's title. */
  readonly subjects: Readonly<Record<Tone, string>>;
  /** First sentences; %1: who. */
  readonly says: Readonly<Record<Tone, string>>;
  readonly untitled: string;
  readonly labels: Readonly<
    Record<
      "when" | "where" | "organizer" | "attendees" | "description" | "repeats" | "changed" | "link" | "comment",
      string
    >
  >;
  readonly aspects: Readonly<Record<Aspect, string>>;
  readonly every: Every;
  /** %1: the interval. */
  readonly everyFew: Every;
  /** %1: what repeats; %2: a date. */
  readonly until: string;
  /** %1: what repeats; %2: a number. */
  readonly times: string;
  readonly irregular: string;
  /** %1: a number. */
  readonly more: string;
  readonly due: string;
  /** %1: what stood there before a change. */
  readonly before: string;
  /** What to do, below an invitation. */
  readonly howToAnswer: string;
}

const all: Readonly<Record<Language, Words>> = { en, de, fr, es, ja };

export const wordsOf = (language: Language): Words => all[language];

/** `%1` and `%2` replaced. What is put in is not looked at again. */
export const filled = (text: string, first: string, second = ""): string =>
  text.replace(/%[12]/g, (place) => (place === "%1" ? first : second));

const names: Readonly<Record<string, Language>> = {
  english: "en",
  german: "de",
  deutsch: "de",
  french: "fr",
  français: "fr",
  spanish: "es",
  español: "es",
  japanese: "ja",
  日本語: "ja",
};

/** The language of a tag (RFC 5646: de-AT) or of a name as the original's plist has it (German); undefined for one that we do not
 *  write. */
export function languageOf(text: string | undefined): Language | undefined {
  const word = text?.trim().toLowerCase() ?? "";
  const tag = word.split(/[-_]/)[0];
  return languages.find((language) => language === tag) ?? (Object.hasOwn(names, word) ? names[word] : undefined);
}
