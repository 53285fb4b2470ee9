/** What comes of a message that has arrived, by method: the outcome, why it was ignored or refused, or what of the copy it changed.
 *  The methods with one effect share their rows: what is no object of a calendar, of another kind or of another organizer is refused
 *  before the method is looked at. */
export const arrivals = [
  "arrival.REQUEST.stored.new",
  "arrival.REQUEST.stored.whole",
  "arrival.REQUEST.stored.instances",
  "arrival.REQUEST.ignored.not-invited",
  "arrival.REQUEST.ignored.declined",
  "arrival.REQUEST.ignored.out-of-sequence",
  "arrival.REQUEST.ignored.no-change",
  "arrival.REQUEST.refused.kind",
  "arrival.REQUEST.refused.organizer",
  "arrival.PUBLISH.stored.new",
  "arrival.PUBLISH.stored.whole",
  "arrival.PUBLISH.ignored.out-of-sequence",
  "arrival.PUBLISH.ignored.no-change",
  "arrival.PUBLISH.refused.3.14",
  "arrival.ADD.stored.instances",
  "arrival.ADD.ignored.unknown-uid",
  "arrival.ADD.ignored.out-of-sequence",
  "arrival.ADD.ignored.no-change",
  "arrival.ADD.refused.3.14",
  "arrival.CANCEL.stored.whole",
  "arrival.CANCEL.stored.instances",
  "arrival.CANCEL.removed.whole",
  "arrival.CANCEL.removed.instances",
  "arrival.CANCEL.ignored.unknown-uid",
  "arrival.CANCEL.ignored.out-of-sequence",
  "arrival.CANCEL.ignored.no-change",
  "arrival.CANCEL.refused.organizer",
  "arrival.REPLY.stored.whole",
  "arrival.REPLY.stored.instances",
  "arrival.REPLY.ignored.unknown-uid",
  "arrival.REPLY.ignored.not-invited",
  "arrival.REPLY.ignored.out-of-sequence",
  "arrival.REPLY.ignored.no-change",
  "arrival.REPLY.refused.organizer",
  "arrival.REFRESH.asked",
  "arrival.REFRESH.ignored.unknown-uid",
  "arrival.REFRESH.ignored.not-invited",
  "arrival.COUNTER.noted",
  "arrival.COUNTER.ignored.unknown-uid",
  "arrival.DECLINECOUNTER.noted",
  "arrival.DECLINECOUNTER.ignored.unknown-uid",
] as const;

const itip5546 = "rfc5546.itip";
const itip6638 = "rfc6638.itip";
const outbox = "../dav/outbox-examples.test.ts";

const numbered = (head: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${head}.${index + 1}`);
const all = (sections: readonly string[], where: string): Readonly<Record<string, string>> =>
  Object.fromEntries(sections.map((section) => [section, where]));

/** The sections of the RFCs' examples, each with the file that tells it. */
export const examples: readonly { readonly rfc: string; readonly sections: Readonly<Record<string, string>> }[] = [
  {
    rfc: "RFC 5546 §4",
    sections: {
      ...all(numbered("4.1", 5), itip5546),
      ...all(numbered("4.2", 11), itip5546),
      "4.3.1": itip5546,
      ...all(["4.3.2", "4.3.3"], outbox),
      ...all(numbered("4.4", 10), itip5546),
      ...all(numbered("4.5", 6), itip5546),
      ...all(numbered("4.5.7", 2), itip5546),
      "4.6": itip5546,
      ...all(numbered("4.7", 2), itip5546),
    },
  },
  {
    rfc: "RFC 6638 appendix B",
    sections: { ...all(numbered("B", 4), itip6638), ...all(["B.5", "B.6"], outbox), ...all(["B.7", "B.8"], itip6638) },
  },
];
