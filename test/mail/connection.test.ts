import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import type { ServerAddress } from "../../src/mail/connection.ts";
import type { OutgoingMail } from "../../src/mail/mail.ts";
import { pollMailbox } from "../../src/mail/poll.ts";
import { Relay } from "../../src/mail/relay.ts";

/** A mail server that answers each line by what it begins with, and remembers them. */
async function talker(
  greeting: string,
  answers: (line: string) => string,
): Promise<{ readonly address: ServerAddress; readonly lines: readonly string[]; stop(): void }> {
  const lines: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => undefined).write(`${greeting}\r\n`);
    let rest = "";
    socket.on("data", (data) => {
      const parts = `${rest}${data}`.split("\r\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        lines.push(line);
        socket.write(`${answers(line)}\r\n`);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const place = server.address();
  const port = typeof place === "object" && place !== null ? place.port : 0;
  return {
    address: { host: "127.0.0.1", port, tls: "starttls", caFile: "", user: "calendar", password: "open sesame" },
    lines,
    stop: () => server.close(),
  };
}

const mail: OutgoingMail = {
  from: { address: "a@example.com" },
  sender: "a@example.com",
  replyTo: { address: "a@example.com" },
  to: { address: "b@example.org" },
  returnPath: "a@example.com",
  messageId: "1@example.com",
  thread: "2@example.com",
  language: "en",
  subject: "Hello",
  text: "Hello",
  html: "Hello",
  calendar: { method: "REQUEST", text: "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n" },
};

test("a relay that has no TLS any more gets neither a password nor a mail", async () => {
  const server = await talker("220 mail.test", (line) =>
    line.startsWith("EHLO") ? "250-mail.test\r\n250 AUTH PLAIN LOGIN" : line === "STARTTLS" ? "502 no" : "250 fine",
  );
  const relay = new Relay({ ...server.address, name: "here" });
  await assert.rejects(relay.send(mail), /127\.0\.0\.1:\d+ speaks no TLS/);
  assert.doesNotMatch(server.lines.join("\n"), /AUTH|MAIL/);
  relay.close();
  server.stop();
});

test("a relay that lets nobody sign in is no reason to give a mail up: it is not sent without", async () => {
  const server = await talker("220 mail.test", (line) =>
    line.startsWith("EHLO") ? "250 mail.test" : line.startsWith("AUTH") ? "503 no AUTH here" : "550 not permitted",
  );
  const relay = new Relay({ ...server.address, tls: "none", name: "here" });
  await assert.rejects(relay.send(mail), /127\.0\.0\.1:\d+ does not let "calendar" sign in/);
  assert.doesNotMatch(server.lines.join("\n"), /MAIL|RCPT/);
  relay.close();
  server.stop();
});

test("a mailbox that has no TLS any more gets no password", async () => {
  const server = await talker("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] here", (line) => {
    const [tag, command] = line.split(" ");
    return command === "CAPABILITY" ? `* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n${tag} OK` : `${tag} BAD no`;
  });
  const looked = pollMailbox(server.address, async () => "done", assert.fail);
  await assert.rejects(looked, /127\.0\.0\.1:\d+/);
  assert.doesNotMatch(server.lines.join("\n"), /LOGIN|AUTHENTICATE/);
  server.stop();
});

test("authorities that cannot be read are named, and nobody is connected to", async () => {
  const address: ServerAddress = {
    host: "mail.test",
    port: 1,
    tls: "implicit",
    caFile: "/none.pem",
    user: "",
    password: "",
  };
  const relay = new Relay({ ...address, name: "here" });
  await assert.rejects(relay.send(mail), /authorities cannot be read: ENOENT.*'\/none\.pem'/);
  relay.close();
  await assert.rejects(
    pollMailbox(address, async () => "done", assert.fail),
    /authorities cannot be read: ENOENT.*'\/none\.pem'/,
  );
});
