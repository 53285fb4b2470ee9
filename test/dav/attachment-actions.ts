import { attach, attachIn, home, meeting, taken } from "./attachment-words.ts";
import { type Exchange, event } from "./exchange.ts";

export const one = `${home("user01")}calendar/one.ics`;
export const two = `${home("user01")}calendar/two.ics`;

const idIn = async (exchange: Exchange): Promise<string> =>
  /MANAGED-ID=([0-9a-f]+)/.exec((await attachIn(exchange, one)).join())?.[1] ?? "";

/** A meeting that has an attachment. */
export async function prepare(exchange: Exchange): Promise<void> {
  await exchange.put(one, meeting("one", ["user02"]));
  taken(await attach(exchange, one, "first"));
}

/** What a process may have been doing with attachments when it was killed. */
export const actions: Readonly<Record<string, (exchange: Exchange) => Promise<unknown>>> = {
  add: (exchange) => attach(exchange, one, "second"),
  update: async (exchange) =>
    attach(exchange, one, "third", { query: `action=attachment-update&managed-id=${await idIn(exchange)}` }),
  remove: async (exchange) =>
    attach(exchange, one, "", { query: `action=attachment-remove&managed-id=${await idIn(exchange)}` }),
  copy: async (exchange) => exchange.put(two, event("two", { more: await attachIn(exchange, one) })),
  delete: (exchange) => exchange.send("DELETE", one),
};
