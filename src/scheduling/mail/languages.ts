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
  /** What to do, below an invitation. */
  readonly howToAnswer: string;
}

const en: Words = {
  locale: "en-GB",
  subjects: {
    invitation: "Invitation: %1",
    update: "Updated invitation: %1",
    cancelled: "Cancelled: %1",
    accepted: "Accepted: %1",
    declined: "Declined: %1",
    tentative: "Tentative: %1",
    answered: "Answer: %1",
    proposal: "Proposal: %1",
    current: "Present state: %1",
    proposalDeclined: "Proposal declined: %1",
    question: "Question: %1",
  },
  says: {
    invitation: "%1 invites you.",
    update: "%1 has changed an event that you are invited to.",
    cancelled: "%1 has cancelled this event, or you are no longer invited.",
    accepted: "%1 accepts the invitation.",
    declined: "%1 declines the invitation.",
    tentative: "%1 may come.",
    answered: "%1 has answered the invitation.",
    proposal: "%1 proposes a change.",
    current: "%1 sends you the present state of this event, as you asked.",
    proposalDeclined: "%1 has declined your proposal. The event stays as it was.",
    question: "%1 asks for the present state of this event.",
  },
  untitled: "(untitled)",
  labels: {
    when: "When",
    where: "Where",
    organizer: "Organizer",
    attendees: "Attendees",
    description: "Description",
    repeats: "Repeats",
    changed: "Changed",
    link: "Link",
    comment: "Comment",
  },
  aspects: {
    time: "time",
    place: "place",
    title: "title",
    description: "description",
    repetition: "repetition",
    people: "attendees",
    status: "status",
    other: "details",
  },
  every: { DAILY: "every day", WEEKLY: "every week", MONTHLY: "every month", YEARLY: "every year" },
  everyFew: { DAILY: "every %1 days", WEEKLY: "every %1 weeks", MONTHLY: "every %1 months", YEARLY: "every %1 years" },
  until: "%1, until %2",
  times: "%1, %2 times",
  irregular: "several times; see the attachment",
  more: "and %1 more",
  due: "due %1",
  howToAnswer: "To answer, open the attachment in your calendar program.",
};

const de: Words = {
  locale: "de-DE",
  subjects: {
    invitation: "Einladung: %1",
    update: "Geänderte Einladung: %1",
    cancelled: "Abgesagt: %1",
    accepted: "Zugesagt: %1",
    declined: "Abgelehnt: %1",
    tentative: "Unter Vorbehalt: %1",
    answered: "Antwort: %1",
    proposal: "Vorschlag: %1",
    current: "Aktueller Stand: %1",
    proposalDeclined: "Vorschlag abgelehnt: %1",
    question: "Anfrage: %1",
  },
  says: {
    invitation: "%1 lädt Sie ein.",
    update: "%1 hat einen Termin geändert, zu dem Sie eingeladen sind.",
    cancelled: "%1 hat diesen Termin abgesagt, oder Sie sind nicht mehr eingeladen.",
    accepted: "%1 nimmt die Einladung an.",
    declined: "%1 lehnt die Einladung ab.",
    tentative: "%1 kommt vielleicht.",
    answered: "%1 hat auf die Einladung geantwortet.",
    proposal: "%1 schlägt eine Änderung vor.",
    current: "%1 sendet Ihnen, wie gewünscht, den aktuellen Stand dieses Termins.",
    proposalDeclined: "%1 hat Ihren Vorschlag abgelehnt. Der Termin bleibt, wie er war.",
    question: "%1 fragt nach dem aktuellen Stand dieses Termins.",
  },
  untitled: "(ohne Titel)",
  labels: {
    when: "Wann",
    where: "Wo",
    organizer: "Veranstalter",
    attendees: "Teilnehmer",
    description: "Beschreibung",
    repeats: "Wiederholung",
    changed: "Geändert",
    link: "Link",
    comment: "Kommentar",
  },
  aspects: {
    time: "Zeit",
    place: "Ort",
    title: "Titel",
    description: "Beschreibung",
    repetition: "Wiederholung",
    people: "Teilnehmer",
    status: "Status",
    other: "Einzelheiten",
  },
  every: { DAILY: "jeden Tag", WEEKLY: "jede Woche", MONTHLY: "jeden Monat", YEARLY: "jedes Jahr" },
  everyFew: { DAILY: "alle %1 Tage", WEEKLY: "alle %1 Wochen", MONTHLY: "alle %1 Monate", YEARLY: "alle %1 Jahre" },
  until: "%1, bis %2",
  times: "%1, %2-mal",
  irregular: "mehrmals; siehe Anhang",
  more: "und %1 weitere",
  due: "fällig %1",
  howToAnswer: "Zum Antworten öffnen Sie den Anhang in Ihrem Kalenderprogramm.",
};

const fr: Words = {
  locale: "fr-FR",
  subjects: {
    invitation: "Invitation : %1",
    update: "Invitation modifiée : %1",
    cancelled: "Annulé : %1",
    accepted: "Accepté : %1",
    declined: "Refusé : %1",
    tentative: "Incertain : %1",
    answered: "Réponse : %1",
    proposal: "Proposition : %1",
    current: "État actuel : %1",
    proposalDeclined: "Proposition refusée : %1",
    question: "Demande : %1",
  },
  says: {
    invitation: "%1 vous invite.",
    update: "%1 a modifié un événement auquel vous êtes invité(e).",
    cancelled: "%1 a annulé cet événement, ou vous n’y êtes plus invité(e).",
    accepted: "%1 accepte l’invitation.",
    declined: "%1 refuse l’invitation.",
    tentative: "%1 viendra peut-être.",
    answered: "%1 a répondu à l’invitation.",
    proposal: "%1 propose une modification.",
    current: "%1 vous envoie, comme demandé, l’état actuel de cet événement.",
    proposalDeclined: "%1 a refusé votre proposition. L’événement reste inchangé.",
    question: "%1 demande l’état actuel de cet événement.",
  },
  untitled: "(sans titre)",
  labels: {
    when: "Quand",
    where: "Où",
    organizer: "Organisateur",
    attendees: "Participants",
    description: "Description",
    repeats: "Répétition",
    changed: "Modifié",
    link: "Lien",
    comment: "Commentaire",
  },
  aspects: {
    time: "horaire",
    place: "lieu",
    title: "titre",
    description: "description",
    repetition: "répétition",
    people: "participants",
    status: "état",
    other: "détails",
  },
  every: { DAILY: "tous les jours", WEEKLY: "toutes les semaines", MONTHLY: "tous les mois", YEARLY: "tous les ans" },
  everyFew: {
    DAILY: "tous les %1 jours",
    WEEKLY: "toutes les %1 semaines",
    MONTHLY: "tous les %1 mois",
    YEARLY: "tous les %1 ans",
  },
  until: "%1, jusqu’au %2",
  times: "%1, %2 fois",
  irregular: "plusieurs fois ; voir la pièce jointe",
  more: "et %1 autres",
  due: "échéance : %1",
  howToAnswer: "Pour répondre, ouvrez la pièce jointe dans votre logiciel de calendrier.",
};

const es: Words = {
  locale: "es-ES",
  subjects: {
    invitation: "Invitación: %1",
    update: "Invitación modificada: %1",
    cancelled: "Cancelado: %1",
    accepted: "Aceptado: %1",
    declined: "Rechazado: %1",
    tentative: "Provisional: %1",
    answered: "Respuesta: %1",
    proposal: "Propuesta: %1",
    current: "Estado actual: %1",
    proposalDeclined: "Propuesta rechazada: %1",
    question: "Consulta: %1",
  },
  says: {
    invitation: "Invitación de %1.",
    update: "%1 ha modificado un evento en la lista de sus invitaciones.",
    cancelled: "%1 ha cancelado este evento o ha retirado la invitación.",
    accepted: "%1 acepta la invitación.",
    declined: "%1 rechaza la invitación.",
    tentative: "%1 quizá asista.",
    answered: "%1 ha respondido a la invitación.",
    proposal: "%1 propone un cambio.",
    current: "%1 le envía, como pidió, el estado actual de este evento.",
    proposalDeclined: "%1 ha rechazado su propuesta. El evento no cambia.",
    question: "%1 pregunta por el estado actual de este evento.",
  },
  untitled: "(sin título)",
  labels: {
    when: "Cuándo",
    where: "Dónde",
    organizer: "Organizador",
    attendees: "Asistentes",
    description: "Descripción",
    repeats: "Repetición",
    changed: "Modificado",
    link: "Enlace",
    comment: "Comentario",
  },
  aspects: {
    time: "hora",
    place: "lugar",
    title: "título",
    description: "descripción",
    repetition: "repetición",
    people: "asistentes",
    status: "estado",
    other: "detalles",
  },
  every: { DAILY: "todos los días", WEEKLY: "todas las semanas", MONTHLY: "todos los meses", YEARLY: "todos los años" },
  everyFew: { DAILY: "cada %1 días", WEEKLY: "cada %1 semanas", MONTHLY: "cada %1 meses", YEARLY: "cada %1 años" },
  until: "%1, hasta el %2",
  times: "%1, %2 veces",
  irregular: "varias veces; véase el archivo adjunto",
  more: "y %1 más",
  due: "vence: %1",
  howToAnswer: "Para responder, abra el archivo adjunto en su programa de calendario.",
};

const ja: Words = {
  locale: "ja-JP",
  subjects: {
    invitation: "招待: %1",
    update: "招待の変更: %1",
    cancelled: "中止: %1",
    accepted: "出席: %1",
    declined: "欠席: %1",
    tentative: "仮承諾: %1",
    answered: "返答: %1",
    proposal: "提案: %1",
    current: "現在の内容: %1",
    proposalDeclined: "提案の辞退: %1",
    question: "問い合わせ: %1",
  },
  says: {
    invitation: "%1さんから招待が届いています。",
    update: "%1さんが、招待されている予定を変更しました。",
    cancelled: "%1さんがこの予定を中止したか、あなたを招待から外しました。",
    accepted: "%1さんは出席します。",
    declined: "%1さんは欠席します。",
    tentative: "%1さんは仮承諾しました。",
    answered: "%1さんが招待に返答しました。",
    proposal: "%1さんが変更を提案しています。",
    current: "ご依頼により、%1さんからこの予定の現在の内容をお送りします。",
    proposalDeclined: "%1さんは提案を辞退しました。予定は変わりません。",
    question: "%1さんがこの予定の現在の内容を問い合わせています。",
  },
  untitled: "(無題)",
  labels: {
    when: "日時",
    where: "場所",
    organizer: "主催者",
    attendees: "出席者",
    description: "説明",
    repeats: "繰り返し",
    changed: "変更点",
    link: "リンク",
    comment: "コメント",
  },
  aspects: {
    time: "日時",
    place: "場所",
    title: "件名",
    description: "説明",
    repetition: "繰り返し",
    people: "出席者",
    status: "状態",
    other: "詳細",
  },
  every: { DAILY: "毎日", WEEKLY: "毎週", MONTHLY: "毎月", YEARLY: "毎年" },
  everyFew: { DAILY: "%1日ごと", WEEKLY: "%1週間ごと", MONTHLY: "%1か月ごと", YEARLY: "%1年ごと" },
  until: "%1、%2まで",
  times: "%1、%2回",
  irregular: "複数回。添付ファイルをご覧ください",
  more: "ほか%1名",
  due: "期限 %1",
  howToAnswer: "返答するには、添付ファイルをカレンダーアプリで開いてください。",
};

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
