declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** Absolute path of a resource, percent-encoded, ending in "/" if and only if it is a collection. */
export type Href = Brand<string, "Href">;
/** Entity tag with its quotes: the MD5 of the bytes, so equal bytes have equal tags on every host. */
export type ETag = Brand<string, "ETag">;
/** `<era>-<revision>`: the state of one collection. Also its ctag. On the wire it is prefixed with `data:,`. */
export type SyncToken = Brand<string, "SyncToken">;
/** The directory's unique id of a principal (the GUID), never its short name. */
export type PrincipalUid = Brand<string, "PrincipalUid">;
/** A calendar user address, normalised: `mailto:a@example.com` in lower case, `urn:uuid:…`, or a path without a final "/". */
export type CalendarAddress = Brand<string, "CalendarAddress">;
/** Seconds since 1970-01-01T00:00:00Z. */
export type Utc = Brand<number, "Utc">;

/** Half open: start <= t < end. An open end is ±Infinity. */
export interface TimeRange {
  readonly start: Utc;
  readonly end: Utc;
}

export const utc = (seconds: number): Utc => seconds as Utc;
