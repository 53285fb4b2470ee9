import { choice, flag, path, patterns, type Section, text, whole } from "./key.ts";

const port = [0, 65_535] as const;
const authorities = (): ReturnType<typeof path> =>
  path("", "The authorities whose certificates are believed, PEM; empty means those Node.js knows.");
const inClear = (): ReturnType<typeof flag> =>
  flag(false, "Without TLS, sign in all the same: the password can be read on the way.");

/** Invitations by mail. docs/mail.md */
export const mail = {
  Enabled: flag(false, "Exchange invitations with people elsewhere by mail."),
  MailGatewayServer: text("localhost", "The host of the original's mail gateway.", { effect: "ignored" }),
  MailGatewayPort: whole(62_310, port, "Its port.", { effect: "ignored" }),
  Username: text("com.apple.calendarserver", "The user as whom it delivered replies.", { effect: "ignored" }),
  Password: text("", "That user's password.", { effect: "ignored", secret: true }),
  Sending: {
    Server: text("", "The mail server that takes invitations."),
    Port: whole(587, port, "Its port; 465 speaks TLS from the beginning."),
    Address: text("", "The server's own mail address; answers go to it with +token before the @."),
    UseSSL: flag(true, "Speak TLS with it (STARTTLS), and with nobody whose certificate is not right."),
    TLSMode: choice(
      ["auto", "starttls", "implicit"],
      "auto",
      "When TLS begins: implicit at once, starttls after a greeting; auto: at once on port 465 only.",
    ),
    TLSCACertFile: authorities(),
    Username: text("", "The user for signing in there; empty: nobody signs in."),
    Password: text("", "The password for signing in there.", { secret: true }),
    PasswordInClear: inClear(),
  },
  Receiving: {
    Type: choice(
      ["", "imap", "lmtp", "smtp", "pop"],
      "",
      "How answers arrive: imap looks into a mailbox, lmtp and smtp listen for the mail server; empty: they do not. pop is not supported.",
      { aliases: { imap4: "imap", pop3: "pop" } },
    ),
    Server: text(
      "",
      "imap: the mail server on which they arrive. lmtp, smtp: the address to listen on; empty: 127.0.0.1.",
    ),
    Port: whole(0, port, "The port; 0: the usual one, 2424 for lmtp, 2525 for smtp."),
    UseSSL: flag(true, "imap: speak TLS, and with nobody whose certificate is not right."),
    TLSMode: choice(
      ["auto", "starttls", "implicit"],
      "auto",
      "imap: when TLS begins: implicit at once, starttls after a greeting; auto: at once on all ports but 143.",
    ),
    TLSCACertFile: authorities(),
    PollingSeconds: whole(30, [1, 86_400], "imap: seconds between two looks into the mailbox."),
    Username: text("", "imap: the user for signing in."),
    Password: text("", "imap: the password for signing in.", { secret: true }),
    PasswordInClear: inClear(),
    RequireSender: flag(true, "An answer counts only when its From is the address that was invited."),
  },
  AddressPatterns: patterns([], "Regular expressions of addresses reached by mail (mailto:…); none: all."),
  MailTemplatesDirectory: path("/usr/share/caldavd/share/email_templates", "The original's texts of the mails.", {
    effect: "ignored",
  }),
  MailIconsDirectory: path("/usr/share/caldavd/share/date_icons", "The original's pictures in the mails.", {
    effect: "ignored",
  }),
  InvitationDaysToLive: whole(
    90,
    [1, 36_500],
    "Days after the last mail and the end of an event in which an answer by mail is recognised.",
  ),
} satisfies Section;
