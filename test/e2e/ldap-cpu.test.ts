import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Client, propfind } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { beginning, groupOf, person, personDn, startSlapd, withoutSlapd } from "../support/slapd.ts";
import { startWithDirectory } from "./ldap-server.ts";

const poll = propfind("{http://calendarserver.org/ns/}getctag");
const rounds = 1500;

/** Milliseconds of the processor that the workers have used. */
const cpuOf = (server: Server): number =>
  server
    .workers()
    .map((pid) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" "))
    .reduce((sum, fields) => sum + (Number(fields[11]) + Number(fields[12])) * 10, 0);

async function pollCost(server: Server, client: Client, user: string): Promise<number> {
  const before = cpuOf(server);
  for (let round = 0; round < rounds; round++)
    await client.expect(207, "PROPFIND", `/calendars/users/${user}/calendar/`, { body: poll, headers: { depth: "0" } });
  return cpuOf(server) - before;
}

test("a ctag poll costs a user of an LDAP directory what it costs a user of the accounts file", {
  skip: withoutSlapd,
}, async () => {
  const slapd = await startSlapd({
    ldif: [beginning("people", "groups"), person("user01"), groupOf("staff", [personDn("user01")])].join("\n"),
  });
  const servers = [await startServer({ workers: 1 }), await startWithDirectory(slapd, {}, { workers: 1 })];
  const clients = servers.map((server) => new Client(server, "user01", 1));
  try {
    const costs: number[][] = [[], []];
    // Warm, then in turns: what disturbs the machine disturbs both. The least is what the work itself takes.
    for (let turn = 0; turn < 6; turn++)
      for (const at of [0, 1]) {
        const cost = await pollCost(servers[at]!, clients[at]!, "user01");
        if (turn > 0) costs[at]!.push(cost);
      }
    const [file, ldap] = costs.map((list) => Math.min(...list)) as [number, number];
    console.log(
      `accounts file ${((file / rounds) * 1000).toFixed(0)} µs, LDAP ${((ldap / rounds) * 1000).toFixed(0)} µs per poll`,
    );
    // Ticks of 10 ms: two of them are noise.
    assert.ok(ldap <= file * 1.1 + 20, `${ldap} ms against ${file} ms for ${rounds} polls`);
  } finally {
    for (const client of clients) client.close();
    for (const server of servers) await server.stop();
    await slapd.stop();
  }
});
