import { existsSync } from "node:fs";
import { MailTokens } from "../mail/tokens.ts";
import { type LettersJob, readJob, retryName } from "../scheduling/jobs.ts";
import { tokensFile } from "../scheduling/mail/configured.ts";
import { FileJobs } from "../store/jobs.ts";
import { Layout } from "../store/layout.ts";
import { type Call, type Command, numberOf, operandsOf, UsageError } from "./command.ts";
import { actAsServer, demandStore } from "./place.ts";
import { type Cell, tableText } from "./table.ts";

export const mailCommand: Command = {
  name: "mail",
  operands: ["queue", "retry", "why [UID|ADDRESS] [--limit N]"],
  about: "invitations on their way to people elsewhere",
  help: `  queue    what has not been delivered yet, the oldest first, and what the last try said
  retry    the running server tries everything again now, not after its pauses
  why      what became of the mails about an event (its UID) or with an address,
           the latest first: sent, deferred, refused, bounced, left out, received,
           ignored, not understood; of the server's own address: not received
           and why; without an operand, of all
  --limit  so many lines of why; 50 if not given

Each invitation is tried for two days. See docs/mail.md.
`,
  options: { limit: { type: "string" } },
  run(call) {
    const [verb] = call.operands;
    if (verb === "queue") return queue(call);
    if (verb === "retry") return retry(call);
    if (verb === "why") return why(call);
    throw new UsageError("mail needs queue, retry or why");
  },
};

const timeText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

async function jobsOf(call: Call): Promise<{ readonly jobs: FileJobs; readonly tokens: string }> {
  const config = await call.config();
  await demandStore(config);
  await actAsServer(config);
  const layout = new Layout(config.DocumentRoot);
  return { jobs: new FileJobs(layout.queue, layout.staging), tokens: tokensFile(config) };
}

async function queue(call: Call): Promise<number> {
  operandsOf(call, 1);
  const { jobs, tokens: path } = await jobsOf(call);
  const letters: LettersJob[] = [];
  for (const name of await jobs.list()) {
    const text = await jobs.read(name);
    const job = text === undefined ? undefined : readJob(text);
    if (job?.kind === "letters") letters.push(job);
  }
  // Not made by looking.
  const tokens = letters.length > 0 && existsSync(path) ? await MailTokens.open(path, 1) : undefined;
  const rows: Cell[][] = [];
  for (const { since, channel, uid, letters: messages } of letters.sort((a, b) => a.since - b.since))
    for (const { method, recipients } of messages)
      for (const recipient of recipients) {
        const address = recipient.replace(/^mailto:/i, "").toLowerCase();
        const last = (await tokens?.notes(address, 1))?.[0];
        const said = last?.uid === uid && last.at >= since ? `${timeText(last.at)} ${last.details}` : undefined;
        rows.push([timeText(since), channel, method, address, uid, said]);
      }
  tokens?.close();
  call.print(tableText({ columns: ["since", "channel", "method", "recipient", "uid", "lastTry"], rows }, call.format));
  return 0;
}

async function retry(call: Call): Promise<number> {
  operandsOf(call, 1);
  const { jobs } = await jobsOf(call);
  await jobs.put(retryName, "{}");
  call.say("the server tries again within some seconds, if it runs");
  return 0;
}

async function why(call: Call): Promise<number> {
  const [, about] = operandsOf(call, 1, 2);
  const limit = numberOf(call, "limit", 50, [1, 10_000]);
  const { tokens: path } = await jobsOf(call);
  const tokens = existsSync(path) ? await MailTokens.open(path, 1) : undefined;
  const notes = (await tokens?.notes(about?.replace(/^mailto:/i, ""), limit)) ?? [];
  tokens?.close();
  const rows = notes.map(({ at, event, address, uid, details }) => [timeText(at), event, address, uid, details]);
  call.print(tableText({ columns: ["time", "event", "address", "uid", "details"], rows }, call.format));
  return 0;
}
