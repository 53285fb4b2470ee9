/** One key of the property list: its type, its default, one sentence, its bound. The `Config` type, the default plist, the
 *  error messages and the coercion of `-o` all come from these values. */
export interface Key<T> {
  /** What a value must be, as said in messages: "a whole number from 0 to 256". */
  readonly must: string;
  readonly fallback: T;
  /** The value in `plist/caldavd.plist` where it differs from the default. */
  readonly shipped: T | undefined;
  /** One sentence, for the default plist and the documentation. */
  readonly about: string;
  /** What the key does: `used`; nothing for good, for the sake of old files (`ignored`); nothing in this version (`later`). */
  readonly effect: "used" | "ignored" | "later";
  /** Names a file or folder: a relative one is resolved by the loader. */
  readonly isPath: boolean;
  /** The value is never shown in messages. */
  readonly secret: boolean;
  /** Checks a value of the property list. Throws Error("must be …"). */
  read(value: unknown): T;
  /** The value that `-o Key=text` means, before `read`; undefined when the key cannot be set that way (dictionaries). */
  coerce(text: string): unknown;
}

/** Keys and sections by name, in the order in which the default plist shows them. */
export type Section = { readonly [name: string]: Key<unknown> | Section };

/** The values of a schema, as the rest of the server gets them. */
export type ConfigOf<S> = { readonly [N in keyof S]: S[N] extends Key<infer T> ? T : ConfigOf<S[N]> };

export const isKey = (node: Key<unknown> | Section): node is Key<unknown> => typeof node["read"] === "function";

/** What a row of the schema may say beside type, default and sentence. */
export interface Extra<T> {
  readonly shipped?: T;
  readonly effect?: "ignored" | "later";
  readonly secret?: boolean;
}

interface Kind<T> {
  readonly must: string;
  readonly isPath?: boolean;
  /** undefined: not such a value. */
  accept(value: unknown): T | undefined;
  coerce(text: string): unknown;
}

const key = <T>(kind: Kind<T>, fallback: T, about: string, extra: Extra<T> = {}): Key<T> => ({
  must: kind.must,
  fallback,
  shipped: extra.shipped,
  about,
  effect: extra.effect ?? "used",
  isPath: kind.isPath ?? false,
  secret: extra.secret ?? false,
  read(value) {
    const accepted = kind.accept(value);
    if (accepted === undefined) throw new Error(`must be ${kind.must}`);
    return accepted;
  },
  coerce: kind.coerce,
});

const truths: Readonly<Record<string, boolean>> = { True: true, true: true, False: false, false: false };

const boolean: Kind<boolean> = {
  must: "true or false",
  accept: (value) => (typeof value === "boolean" ? value : undefined),
  coerce: (text) => truths[text] ?? text,
};

/** A switch. */
export const flag = (fallback: boolean, about: string, extra?: Extra<boolean>): Key<boolean> =>
  key(boolean, fallback, about, extra);

const wholeText = /^[+-]?\d{1,16}$/;

const wholeKind = (min: number, max: number): Kind<number> => ({
  must: max === Number.MAX_SAFE_INTEGER ? `a whole number, ${min} or more` : `a whole number from ${min} to ${max}`,
  accept: (value) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined,
  coerce: (text) => (wholeText.test(text) ? Number(text) : text),
});

/** A whole number, both bounds included. */
export const whole = (
  fallback: number,
  [min, max]: readonly [number, number],
  about: string,
  extra?: Extra<number>,
): Key<number> => key(wholeKind(min, max), fallback, about, extra);

/** No upper bound but that of exact numbers. */
export const unbounded = Number.MAX_SAFE_INTEGER;

/** A umask: a number in the plist (23 is octal 027); `-o umask=027` is read as octal, as in a shell. */
export const mask = (fallback: number, about: string, extra?: Extra<number>): Key<number> =>
  key(
    {
      ...wholeKind(0, 0o777),
      coerce: (text) =>
        /^0[0-7]{1,4}$/.test(text) ? Number.parseInt(text, 8) : wholeText.test(text) ? Number(text) : text,
    },
    fallback,
    about,
    extra,
  );

const isText = (value: unknown): value is string => typeof value === "string" && !value.includes("\0");

const orNothing = (text: string): unknown => (text === "None" ? null : text);

const textKind: Kind<string> = {
  must: "text",
  // None means empty, where empty has a meaning of its own.
  accept: (value) => (value === null ? "" : isText(value) ? value : undefined),
  coerce: orNothing,
};

export const text = (fallback: string, about: string, extra?: Extra<string>): Key<string> =>
  key(textKind, fallback, about, extra);

/** Refuses what looks like a network address: the store wants a local mount point (the guide, "Data Store"). */
const isPathText = (value: unknown): value is string => isText(value) && !/^[a-z][a-z0-9+.-]*:\/\//i.test(value);

const pathKind: Kind<string> = {
  must: "the path of a local file or folder",
  isPath: true,
  accept: (value) => (value === null ? "" : isPathText(value) ? value : undefined),
  coerce: orNothing,
};

/** A file or folder. Absolute once loaded, or empty. */
export const path = (fallback: string, about: string, extra?: Extra<string>): Key<string> =>
  key(pathKind, fallback, about, extra);

/** Files, read in this order. */
export const paths = (
  fallback: readonly string[],
  about: string,
  extra?: Extra<readonly string[]>,
): Key<readonly string[]> =>
  key(
    {
      ...listKind(
        "a list of paths of local files",
        (value) => (isPathText(value) ? value : undefined),
        (item) => item,
      ),
      isPath: true,
    },
    fallback,
    about,
    extra,
  );

/** A text, or a list of texts; a text is a list of one, an empty text an empty list. For tables. */
export const oneOrMore = (value: unknown): readonly string[] | undefined => {
  if (isText(value)) return value === "" ? [] : [value];
  return Array.isArray(value) && value.every(isText) ? value : undefined;
};

/** A file the server writes. Null (only `-o Key=None` says that) means none; empty means one in DataRoot, which the loader
 *  fills in. */
export const writtenFile = (fallback: string, about: string, extra?: Extra<string | null>): Key<string | null> =>
  key<string | null>(
    { ...pathKind, accept: (value) => (value === null ? null : isPathText(value) ? value : undefined) },
    fallback,
    about,
    extra,
  );

/** One of a few words, any case. Aliases are other spellings of old files, in lower case. */
export const choice = <const W extends string>(
  words: readonly W[],
  fallback: NoInfer<W>,
  about: string,
  extra?: Extra<NoInfer<W>> & { readonly aliases?: Readonly<Record<string, NoInfer<W>>> },
): Key<W> => {
  const known = new Map<string, W>(Object.entries(extra?.aliases ?? {}));
  for (const word of words) known.set(word.toLowerCase(), word);
  return key(
    {
      must: `one of ${words.map((word) => word || "(empty)").join(", ")}`,
      accept: (value) => known.get(value === null ? "" : typeof value === "string" ? value.toLowerCase() : "\0"),
      coerce: orNothing,
    },
    fallback,
    about,
    extra,
  );
};

const listKind = <T>(
  must: string,
  one: (value: unknown) => T | undefined,
  coerceOne: (text: string) => unknown,
): Kind<readonly T[]> => ({
  must,
  accept(value) {
    if (value === null) return [];
    if (!Array.isArray(value)) return undefined;
    const list: T[] = [];
    for (const item of value) {
      const accepted = one(item);
      if (accepted === undefined) return undefined;
      list.push(accepted);
    }
    return list;
  },
  coerce: (text) => (text === "None" ? null : text === "" ? [] : text.split(",").map(coerceOne)),
});

const asText = (value: unknown): string | undefined => (isText(value) ? value : undefined);

export const texts = (
  fallback: readonly string[],
  about: string,
  extra?: Extra<readonly string[]>,
): Key<readonly string[]> =>
  key(
    listKind("a list of texts", asText, (item) => item),
    fallback,
    about,
    extra,
  );

export const ports = (
  fallback: readonly number[],
  about: string,
  extra?: Extra<readonly number[]>,
): Key<readonly number[]> => {
  const port = wholeKind(1, 65_535);
  return key(listKind("a list of port numbers from 1 to 65535", port.accept, port.coerce), fallback, about, extra);
};

const asPattern = (value: unknown): string | undefined => {
  if (!isText(value)) return undefined;
  try {
    new RegExp(value);
    return value;
  } catch {
    return undefined;
  }
};

/** Regular expressions, checked to compile; without flags, since files of the original were written for another engine. */
export const patterns = (
  fallback: readonly string[],
  about: string,
  extra?: Extra<readonly string[]>,
): Key<readonly string[]> =>
  key(
    listKind("a list of regular expressions", asPattern, (item) => item),
    fallback,
    about,
    extra,
  );

export const isDictionary = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.getPrototypeOf(value) !== Date.prototype &&
  !(value instanceof Uint8Array);

/** A dictionary whose keys are not known beforehand. */
export const table = <T>(
  must: string,
  one: (value: unknown) => T | undefined,
  fallback: Readonly<Record<string, T>>,
  about: string,
  extra?: Extra<Readonly<Record<string, T>>>,
): Key<Readonly<Record<string, T>>> =>
  key(
    {
      must: `a dictionary of ${must}`,
      accept(value) {
        if (!isDictionary(value)) return undefined;
        const read = new Map<string, T>();
        for (const [name, item] of Object.entries(value)) {
          const accepted = one(item);
          if (accepted === undefined) return undefined;
          read.set(name, accepted);
        }
        return Object.fromEntries(read);
      },
      coerce: () => undefined,
    },
    fallback,
    about,
    extra,
  );
