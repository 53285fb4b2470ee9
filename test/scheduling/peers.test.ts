import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Domains, peerFor, readDomainMap } from "../../src/scheduling/ischedule/domain-map.ts";
import { inOrder, namesOf } from "../../src/scheduling/ischedule/names.ts";
import { domainOf, Peers } from "../../src/scheduling/ischedule/peers.ts";
import { readRemoteServers } from "../../src/scheduling/ischedule/remote-servers.ts";

const urlOf = (domain: string, domains: Domains): string | undefined => peerFor(domain, domains)?.url?.href;

describe("a domain map", () => {
  const map = readDomainMap(
    [
      "# of the old servers",
      "! too",
      "example.com=http://cs6server.example.com:8080/ischedule/",
      "",
      "Example.ORG = https\\://cal.example.org/ischedule",
      "example.net:http://cal.example.net/",
      "*.example.edu http://cal.example.edu/\\",
      "    ischedule",
      "user.example=http://me:a%20secret@cal.example/x",
    ].join("\r\n"),
  );

  test("has comments, escapes, any separator and lines that go on", () => {
    assert.equal(urlOf("example.com", map), "http://cs6server.example.com:8080/ischedule/");
    assert.equal(urlOf("example.org", map), "https://cal.example.org/ischedule");
    assert.equal(urlOf("example.net", map), "http://cal.example.net/");
    assert.equal(urlOf("a.b.example.edu", map), "http://cal.example.edu/ischedule");
    assert.equal(urlOf("example.edu", map), undefined);
    assert.equal(urlOf("other.example", map), undefined);
  });

  test("may say with what to sign in, which is not part of the address then", () => {
    const peer = peerFor("user.example", map);
    assert.equal(peer?.url?.href, "http://cal.example/x");
    assert.equal(peer?.authorization, `Basic ${Buffer.from("me:a secret").toString("base64")}`);
  });

  test("may have one server for all others", () => {
    const all = readDomainMap("example.com=http://one/\n*=http://two/");
    assert.equal(urlOf("example.com", all), "http://one/");
    assert.equal(urlOf("whatever.example", all), "http://two/");
  });

  test("with a line that is wrong is refused with its number", () => {
    assert.throws(() => readDomainMap("# x\nexample.com=nonsense"), /line 2: "nonsense" is no http or https address/);
    assert.throws(() => readDomainMap("a@b=http://c/"), /line 1: "a@b" is no domain/);
    assert.throws(() => readDomainMap("example.com=ftp://c/"), /line 1/);
  });
});

describe("the original's list of servers", () => {
  const list = readRemoteServers(
    Buffer.from(`<?xml version="1.0"?><!DOCTYPE servers SYSTEM "servertoserver.dtd"><servers>
      <server><uri>https://cal.example.org:8443/ischedule</uri>
        <authentication type="basic"><user>me</user><password>it</password></authentication>
        <allow-requests-from/><allow-requests-to/>
        <domains><domain>Example.org</domain></domains><hosts><host>192.0.2.7</host></hosts></server>
      <server><uri>http://127.0.0.1/ischedule</uri><domains><domain>example.net</domain></domains></server>
    </servers>`),
  );

  test("says where messages go, and who is trusted by his address", async () => {
    assert.equal(urlOf("example.org", list), "https://cal.example.org:8443/ischedule");
    assert.equal(peerFor("example.org", list)?.authorization, `Basic ${Buffer.from("me:it").toString("base64")}`);
    const names = namesOf("");
    const peers = new Peers({ written: async () => [list], names, discovers: false, ownDomain: "" });
    assert.equal(await peers.isTrusted("::ffff:192.0.2.7", "example.org"), true);
    assert.equal(await peers.isTrusted("192.0.2.7", "example.net"), false);
    assert.equal(await peers.isTrusted("192.0.2.8", undefined), false);
    assert.equal(await peers.isTrusted("127.0.0.1", "example.net"), false, "it may not send");
  });

  test("with a server without address is refused with its line", () => {
    assert.throws(
      () => readRemoteServers(Buffer.from("<servers>\n<server>\n<uri>x</uri></server></servers>")),
      /line 2/,
    );
    assert.throws(() => readRemoteServers(Buffer.from("<others/>")), /servers/);
  });
});

describe("the DNS", () => {
  const names = namesOf(
    [
      "_ischedules._tcp.example.com. 300 IN SRV 1 0 8443 cal.example.com. ; the main one",
      "_ischedules._tcp.example.com. 300 IN SRV 2 0 443 spare.example.com.",
      '_ischedules._tcp.example.com. TXT "path=/is;ch"',
      "_ischedule._tcp.example.org SRV 0 1 80 cal.example.org",
      "_ischedule._tcp.none.example SRV 0 0 0 .",
      'one._domainkey.example.com TXT "v=DKIM1; " "p=abc"',
    ].join("\n"),
  );
  const peers = new Peers({ written: async () => [], names, discovers: true, ownDomain: "own.example" });
  const found = async (domain: string) => (await peers.serversOf(domain)).map(({ url }) => url?.href);

  test("names the servers of a domain in their order, those with TLS first, and their path", async () => {
    assert.deepEqual(await found("example.com"), [
      "https://cal.example.com:8443/is;ch",
      "https://spare.example.com/is;ch",
    ]);
    assert.deepEqual(await found("example.org"), ["http://cal.example.org/.well-known/ischedule"]);
    assert.deepEqual(await found("none.example"), []);
    assert.deepEqual(await found("unknown.example"), []);
    assert.deepEqual(await names.texts("one._domainkey.example.com"), ["v=DKIM1; p=abc"]);
  });

  test("is not asked about domains that are written down, nor when that is switched off", async () => {
    const map = readDomainMap("example.com=http://written/");
    const written = new Peers({ written: async () => [map], names, discovers: false, ownDomain: "" });
    assert.deepEqual(
      (await written.serversOf("example.com")).map(({ url }) => url?.href),
      ["http://written/"],
    );
    assert.deepEqual(await written.serversOf("example.org"), []);
  });

  test("shares the load as weights say: within a priority by chance", () => {
    const service = (name: string, priority: number, weight: number) => ({ name, priority, weight, port: 1 });
    const services = [service("last", 2, 9), service("heavy", 1, 3), service("light", 1, 1)];
    const order = (chance: number) => inOrder(services, () => chance).map(({ name }) => name);
    assert.deepEqual(order(0.1), ["heavy", "light", "last"]);
    assert.deepEqual(order(0.9), ["light", "heavy", "last"]);
  });

  test("a mail address has a domain, others have none", () => {
    assert.equal(domainOf("MAILTO:a@Example.COM"), "example.com");
    assert.equal(domainOf("urn:uuid:1"), undefined);
    assert.equal(domainOf("mailto:nobody"), undefined);
  });
});
