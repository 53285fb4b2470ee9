import assert from "node:assert/strict";
import { test } from "node:test";
import { configFrom } from "../../src/config/load.ts";
import { MailChannel } from "../../src/scheduling/mail/channel.ts";
import { mailConfigured } from "../../src/scheduling/mail/configured.ts";
import { now } from "../support/store.ts";

const sending = { Server: "mail.example.com", Address: "Calendar@Example.com" };

/** Invitations by mail with these keys of Scheduling/iMIP, and of the rest. */
const configured = (iMIP: object, rest: object = {}, calDav: object = {}): ReturnType<typeof mailConfigured> => {
  const plist = { Scheduling: { CalDAV: calDav, iMIP: { Enabled: true, Sending: sending, ...iMIP } }, ...rest };
  const { config, problems } = configFrom(plist, { folder: "/" });
  assert.deepEqual(problems, []);
  return mailConfigured(config);
};

test("mail is off until it is switched on, whatever else a property list of the original says", () => {
  assert.equal(
    configured({ Enabled: false, Sending: { Server: "", Address: "" }, Receiving: { Type: "pop" } }),
    undefined,
  );
});

test("what cannot work is said with its key", () => {
  assert.throws(() => configured({ Sending: { ...sending, Server: "" } }), /Sending\.Server: must name/);
  assert.throws(
    () => configured({ Sending: { ...sending, Address: "calendar" } }),
    /Sending\.Address: must be .*"calendar"/,
  );
  assert.throws(
    () => configured({ Receiving: { Type: "POP3" } }),
    /Receiving\.Type: pop is not supported.*use imap, or lmtp/,
  );
  assert.throws(() => configured({ Receiving: { Type: "imap" } }), /Receiving\.Server: must name/);
  assert.throws(() => configured({}, { Localization: { Language: "Klingon" } }), /Language: must be English.*Klingon/);
});

test("mail is received on this host unless it is said otherwise, and a mailbox by TLS", () => {
  assert.deepEqual(configured({})?.room, undefined);
  const lmtp = configured({ Receiving: { Type: "lmtp" } })?.room?.receiving;
  assert.ok(lmtp?.by === "listening");
  assert.equal(`${lmtp.settings.host}:${lmtp.settings.port}`, "127.0.0.1:2424");
  const imap = configured({ Receiving: { Type: "imap", Server: "imap.example.com" } })?.room?.receiving;
  assert.ok(imap?.by === "polling" && imap.settings.tls && imap.seconds === 30);
});

test("mail reaches the addresses of the patterns, and never ours, the gateway's, or what is no address of mail", async () => {
  const reaches = async (address: string, iMIP: object = {}, calDav: object = {}): Promise<boolean> => {
    const settings = configured(iMIP, {}, calDav)?.settings ?? assert.fail();
    const services = { now: () => now, warn: () => undefined, calendarUser: async () => undefined };
    return new MailChannel(settings, services).reaches(address);
  };
  assert.equal(await reaches("mailto:bob@example.org"), true);
  assert.equal(await reaches("mailto:bob@example.org", { AddressPatterns: ["mailto:.*@example\\.net$"] }), false);
  assert.equal(await reaches("MAILTO:Bob@Example.NET", { AddressPatterns: ["mailto:.*@example\\.net$"] }), true);
  assert.equal(await reaches("mailto:nobody@example.com", {}, { EmailDomain: "example.com" }), false);
  assert.equal(await reaches("mailto:x@notexample.com", {}, { EmailDomain: "example.com" }), true);
  assert.equal(await reaches("mailto:x@local", {}, { AddressPatterns: ["mailto:.*@local"] }), false);
  assert.equal(await reaches("mailto:calendar@example.com"), false);
  assert.equal(await reaches("mailto:calendar+48270e9e-8479@example.com"), false);
  assert.equal(await reaches("urn:uuid:1"), false);
  assert.equal(await reaches("mailto:a@example.org,b@example.org"), false);
});

test("TLS begins at once on the ports that are made for it, after STARTTLS on others, or as it is said", () => {
  const sends = (more: object): string => configured({ Sending: { ...sending, ...more } })?.settings.relay.tls ?? "";
  assert.deepEqual(
    [{}, { Port: 465 }, { Port: 465, TLSMode: "starttls" }, { TLSMode: "implicit" }, { UseSSL: false }].map(sends),
    ["starttls", "implicit", "starttls", "implicit", "none"],
  );
  const receives = (more: object): string => {
    const room = configured({ Receiving: { Type: "imap", Server: "imap.example.com", ...more } })?.room?.receiving;
    return room?.by === "polling" ? `${room.settings.port} ${room.settings.tls}` : "";
  };
  assert.deepEqual(
    [{}, { Port: 143 }, { TLSMode: "starttls" }, { Port: 4143, TLSMode: "starttls" }, { UseSSL: false }].map(receives),
    ["993 implicit", "143 starttls", "143 starttls", "4143 starttls", "143 none"],
  );
});

test("a password goes over the wire in clear when that is said by name, and not else", () => {
  const user = { UseSSL: false, Username: "calendar", Password: "open sesame" };
  assert.throws(
    () => configured({ Sending: { ...sending, ...user } }),
    /Sending\.UseSSL: without TLS the password of calendar .*Sending\.PasswordInClear/,
  );
  assert.throws(
    () => configured({ Receiving: { Type: "imap", Server: "imap.example.com", ...user } }),
    /Receiving\.UseSSL: .*Receiving\.PasswordInClear/,
  );
  assert.ok(configured({ Sending: { ...sending, ...user, PasswordInClear: true } }));
});
