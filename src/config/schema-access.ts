import { choice, flag, path, type Section, text } from "./key.ts";

/** How clients sign in. */
export const authentication = {
  Authentication: {
    Basic: {
      Enabled: flag(false, "Basic: the password itself is sent with each request.", { shipped: true }),
      AllowWithoutTLS: flag(
        false,
        "Take Basic also from other hosts on connections without TLS, where everybody on the way can read the passwords.",
      ),
    },
    Digest: {
      Enabled: flag(true, "Digest: a proof of the password is sent (RFC 7616)."),
      Algorithm: choice(
        ["md5", "md5-sess", "sha-256", "sha-256-sess"],
        "md5",
        "The hash: every client knows md5; sha-256 is stronger.",
        { aliases: { sha: "sha-256" } },
      ),
      Qop: choice(
        ["auth", ""],
        "auth",
        "auth: replayed requests are recognised (RFC 7616); empty: the older form for clients from before RFC 2617.",
      ),
    },
    Kerberos: {
      Enabled: flag(false, "Kerberos: a ticket of the realm is sent (SPNEGO, RFC 4559)."),
      ServicePrincipal: text(
        "",
        "The service principal, such as HTTP/calendar.example.com@EXAMPLE.COM; empty means HTTP/ServerHostName.",
      ),
      Keytab: path("", "The file with the service's key; empty means the system's, usually /etc/krb5.keytab."),
    },
    Wiki: {
      Enabled: flag(false, "The wiki of Mac OS X Server.", { effect: "ignored" }),
      Cookie: text("sessionID", "The wiki's cookie.", { effect: "ignored" }),
      URL: text("http://127.0.0.1:8086/RPC2", "The wiki's address.", { effect: "ignored" }),
      UserMethod: text("userForSession", "The wiki's method that tells the user.", { effect: "ignored" }),
      WikiMethod: text("accessLevelForUserWikiCalendar", "The wiki's method that tells what a user may do.", {
        effect: "ignored",
      }),
    },
  },
} satisfies Section;
