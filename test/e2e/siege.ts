import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Answer, Client, preconditionOf, shown } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { Bystander } from "./bystander.ts";
import { event } from "./calendar-texts.ts";

export const path = "/calendars/users/user04/calendar/";
export const caldav = "urn:ietf:params:xml:ns:caldav";
/** Milliseconds for which nobody may keep the server from answering others; the aim is 20. */
const usualBound = 250;
/** How much longer a poll may take by the clock, on a machine that has other things to do. */
const grace = 4;
/** MaximumAttachmentSize of the server, so that an object of a million dates is within it. */
const maxBytes = 12_000_000;
/** Events `e0.ics` and so on in the calendar. */
export const inhabitants = 100;

/** What a case is answered with: the status, and the precondition or words of the body. */
export interface Expected {
  readonly status: number;
  readonly condition?: string;
  readonly says?: RegExp;
  /** Milliseconds others may wait, when it is not the usual bound. */
  readonly bound?: number;
}

/** A server under hostile input, with a bystander that polls one of its calendars. */
export class Siege {
  readonly server: Server;
  readonly client: Client;
  /** The longest any poll waited, in ms of the server's CPU time. */
  worst = 0;
  readonly #bystander: Bystander;

  private constructor(server: Server, client: Client) {
    this.server = server;
    this.client = client;
    this.#bystander = new Bystander(server, path, "user04");
  }

  static async begin(): Promise<Siege> {
    // One worker: whoever blocks it blocks the bystander.
    const server = await startServer({ workers: 1, settings: { MaximumAttachmentSize: maxBytes } });
    const siege = new Siege(server, new Client(server, "user04"));
    for (let n = 0; n < inhabitants; n++) siege.judge(await siege.put(`e${n}.ics`, event(`e${n}`, n)), { status: 201 });
    // The first polls pay for opening and compiling.
    for (let polls = 0; polls < 100; ) polls += (await siege.#bystander.seen()).polls;
    return siege;
  }

  put(name: string, body: string): Promise<Answer> {
    return this.client.ask("PUT", path + name, { body, headers: { "content-type": "text/calendar; charset=utf-8" } });
  }

  xml(method: string, body: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.client.ask(method, path, {
      body,
      headers: { "content-type": "application/xml", depth: "1", ...headers },
    });
  }

  /** Runs `work` and judges what the bystander went through meanwhile. */
  async watched<T>(t: TestContext, work: () => Promise<T>, bound = usualBound): Promise<T> {
    await this.#bystander.seen();
    const begun = performance.now();
    const result = await work();
    const took = performance.now() - begun;
    const seen = await this.#bystander.seen();
    this.worst = Math.max(this.worst, seen.busiest);
    t.diagnostic(
      `answered in ${took.toFixed(0)} ms; the bystander: ${seen.polls} polls, worst ${seen.worst.toFixed(1)} ms (${seen.busiest.toFixed(1)} ms of CPU), median ${seen.median.toFixed(2)} ms`,
    );
    assert.deepEqual(seen.problems, []);
    assert.ok(seen.busiest < bound, `another request waited for ${seen.busiest.toFixed(0)} ms of CPU time`);
    assert.ok(seen.worst < bound * grace, `another request waited ${seen.worst.toFixed(0)} ms`);
    return result;
  }

  judge(answer: Answer, expected: Expected): void {
    assert.equal(answer.status, expected.status, shown(answer));
    if (expected.condition !== undefined) assert.equal(preconditionOf(answer), expected.condition, shown(answer));
    if (expected.says !== undefined) assert.match(answer.text, expected.says);
  }

  /** Nothing failed inside, and all is still there. */
  async assertWell(t: TestContext): Promise<void> {
    for (let n = 0; n < inhabitants; n++) this.judge(await this.client.ask("GET", `${path}e${n}.ics`), { status: 200 });
    assert.doesNotMatch(await this.server.errorLog(), /"level":"(error|fatal)"|a request failed/);
    assert.equal(this.server.workers().length, 1);
    t.diagnostic(`no other request ever waited for more than ${this.worst.toFixed(1)} ms of CPU time`);
  }

  async end(): Promise<void> {
    this.#bystander.end();
    this.client.close();
    await this.server.stop();
  }
}
