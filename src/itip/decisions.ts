/** The rows of the decision tables: what an organizer's change takes from one attendee and what it asks him for (RFC 6638 §3.2.1), and
 *  what an attendee's change means to the organizer (§3.2.2). Each is told in `test/itip/*.itip`, which a test checks. */
export const decisions = {
  "request.create": "a new event: REQUEST to each",
  "request.not-served": "SCHEDULE-AGENT is not SERVER: nothing",
  "request.no-change": "nothing that matters has changed: nothing",
  "request.unconcerned": "what has changed is not in his instances: nothing",
  "request.changed": "the series has changed: REQUEST, answers stay",
  "request.rescheduled": "the series was moved: REQUEST, answers are asked for anew",
  "request.instance-changed": "an instance has changed: REQUEST of that instance",
  "request.reverted": "an instance is as the series again: REQUEST of the whole",
  "request.added": "added: REQUEST of the whole",
  "request.forced": "SCHEDULE-FORCE-SEND=REQUEST: REQUEST of the whole",
  "request.cut-and-raised": "loses some instances, and SEQUENCE was raised: REQUEST of the rest after the CANCEL",
  "request.kept-instances": "taken off the series but not off some instances: REQUEST of these, after the CANCEL",
  "request.other-organizer": "another ORGANIZER: refused",
  "cancel.removed": "taken off, or no longer served: CANCEL of the whole",
  "cancel.guest-removed": "taken off the only instances he was on: CANCEL of these",
  "cancel.off-series": "taken off the series: CANCEL of the whole",
  "cancel.off-instance": "left out of an instance: CANCEL of it",
  "cancel.instance-removed": "an instance of his own is gone: CANCEL of it",
  "cancel.exdate": "an instance of the series was taken out: CANCEL of it",
  "cancel.rule-cut": "the rule was cut before the instance he is a guest of: CANCEL of it",
  "cancel.cancelled": "STATUS:CANCELLED was set on all: CANCEL of the whole",
  "cancel.instance-cancelled": "STATUS:CANCELLED was set on an instance: CANCEL of it",
  "cancel.deleted": "deleted: CANCEL of the whole",
  "cancel.deleted-cancelled": "deleted after it was cancelled: nothing",
  "attendee.answered": "an answer to the series: REPLY",
  "attendee.answered-instance": "an answer to instances: REPLY of these",
  "attendee.took-out": "an instance was taken out: REPLY that declines it",
  "attendee.no-answer": "his own things, or what only the organizer may change: nothing",
  "attendee.forced": "SCHEDULE-FORCE-SEND=REPLY: REPLY of the whole",
  "attendee.deleted": "deleted: REPLY that declines",
  "attendee.deleted-silently": "deleted with Schedule-Reply: F: nothing",
  "attendee.deleted-cancelled": "deleted after it was cancelled: nothing",
  "attendee.deleted-nobodys": "deleted, and nobody knows the organizer: nothing",
  "attendee.elsewhere": "the organizer is elsewhere and is answered: REPLY, all is stored",
  "attendee.elsewhere-no-answer": "the organizer is elsewhere and hears nothing new: nothing, all is stored",
  "attendee.nobodys": "nobody knows the organizer: nothing, the status 5.3",
  "attendee.gone": "the organizer has the event no more: the copy goes",
  "attendee.gone-cancelled": "the organizer has the event no more, what comes is cancelled: nothing is stored",
  "attendee.kept-cancelled": "the organizer has the event no more and the copy says cancelled: it stays",
  "attendee.uninvited": "the organizer has no such event with him: refused",
  "attendee.other-organizer": "another ORGANIZER: refused",
  "attendee.took-himself-off": "he is no longer among the ATTENDEEs: refused",
  "attendee.foreign-component": "a component that he was not invited to: refused",
  "attendee.foreign-exception": "an EXDATE of no instance: refused",
} as const;

export type Decision = keyof typeof decisions;

let hook: ((decision: Decision, person: string) => void) | undefined;

/** Marks that a row has decided for somebody. In service nobody listens, and it costs a comparison. */
export const decided = (decision: Decision, person: string): void => hook?.(decision, person);

/** For tests: called for each row that decides. */
export const onDecision = (called: typeof hook): void => {
  hook = called;
};
