import { flag, type Section } from "./key.ts";

/** Calendars shared with others. The keys of Calendar Server 3.0; Publishing is this server's own. */
export const sharing = {
  Sharing: {
    Enabled: flag(true, "Users may share their calendars with others, who get them among their own."),
    AllowExternalUsers: flag(false, "Invite people who are not in the directory.", { effect: "ignored" }),
    Calendars: {
      Enabled: flag(true, "Calendars can be shared."),
    },
    AddressBooks: {
      Enabled: flag(false, "Address books can be shared.", { effect: "later" }),
    },
    Publishing: {
      Enabled: flag(true, "Users may publish a calendar at an address that shows it to everybody who knows it."),
      Announced: flag(true, "Tell clients that calendars can be published (CS:allowed-sharing-modes)."),
    },
  },
} satisfies Section;
