import { chunkSize } from "../base/stream.ts";
import { httpDate } from "../http/dates.ts";
import type { HttpResponse } from "../http/message.ts";
import { encodeSegment } from "../http/uri.ts";
import { calendarUserType, type Principal, type Sudoer } from "../model/principal.ts";
import { shareOf } from "../sharing/shared-collection.ts";
import { escapeAttribute, escapeText } from "../xml/write.ts";
import { childrenOf, recordsOf } from "./children.ts";
import { seesEverything, seesSize } from "./privacy.ts";
import type { Context } from "./registry.ts";
import { isCollection, type Resource } from "./resource.ts";
import { lastSegment } from "./urls.ts";

const headers = {
  "content-type": "text/html; charset=utf-8",
  "x-content-type-options": "nosniff",
  // Nothing that a name or a property smuggles in is ever run or fetched.
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  "cache-control": "no-cache",
};

interface Row {
  /** Relative to the page. */
  readonly link: string;
  readonly name: string;
  readonly kind: string;
  readonly size: string;
  readonly modified: string;
}

/** A page that lists a collection, or shows a principal, for people with a browser. Only what the user may read is on it.
 *  Throws HttpError(403) for what is not to be listed. */
export async function listing(resource: Resource, context: Context): Promise<HttpResponse> {
  const rows = rowsOf(resource, context)[Symbol.asyncIterator]();
  // The first page is made before the status goes out: it is where a listing is refused.
  const first = await rows.next();
  return { status: 200, headers, body: page(resource, context, first, rows) };
}

async function* page(
  resource: Resource,
  context: Context,
  first: IteratorResult<readonly Row[]>,
  rows: AsyncIterator<readonly Row[]>,
): AsyncGenerator<string> {
  const title = escapeText(decodeURIComponent(resource.href));
  let text = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<style>body{font-family:sans-serif;margin:2em}td,th{padding:.2em 1em .2em 0;text-align:left}td.n{text-align:right}</style>
</head><body><h1>${title}</h1>
`;
  if (resource.kind === "principal") text += await details(resource.principal, context);
  text += "<table><tr><th>Name</th><th>Kind</th><th>Size</th><th>Modified</th></tr>\n";
  if (resource.kind !== "root") text += row({ link: "../", name: "..", kind: "", size: "", modified: "" });
  let next = first;
  while (next.done !== true) {
    for (const entry of next.value) text += row(entry);
    if (text.length >= chunkSize) {
      yield text;
      text = "";
    }
    next = await rows.next();
  }
  yield `${text}</table></body></html>\n`;
}

const row = ({ link, name, kind, size, modified }: Row): string =>
  `<tr><td><a href="${escapeAttribute(link)}">${escapeText(name)}</a></td><td>${escapeText(kind)}</td>` +
  `<td class="n">${size}</td><td>${modified}</td></tr>\n`;

async function* rowsOf(resource: Resource, context: Context): AsyncGenerator<readonly Row[]> {
  if (resource.kind === "principal-type" || resource.kind === "calendar-type") {
    // Names only: nobody's home is opened for a page of links.
    for await (const records of recordsOf(resource, context))
      yield records.map(({ shortName, fullName }) => placeRow(shortName, fullName));
    return;
  }
  for await (const children of childrenOf(resource, context)) {
    const shown: Row[] = [];
    for (const child of children)
      if ((await context.privileges(child)).has("read")) shown.push(rowOf(child, await seesCount(child, context)));
    yield shown;
  }
}

const placeRow = (name: string, kind: string): Row => ({
  link: `${encodeSegment(name)}/`,
  name: `${name}/`,
  kind,
  size: "",
  modified: "",
});

/** How many PRIVATE events there are is nobody else's business, nor how long the part of an event is that the asker does not see. */
async function seesCount(child: Resource, context: Context): Promise<boolean> {
  if (!("owner" in child)) return true;
  if (!("entry" in child)) return seesEverything(child.owner, context);
  return shareOf(child.collection) === undefined && (await seesSize(child.entry, child.owner, context));
}

function rowOf(child: Resource, isWhole: boolean): Row {
  const name = lastSegment(child.href);
  if ("entry" in child) {
    const { size, modified, kind } = child.entry;
    const row = { link: encodeSegment(name), name, kind: kind ?? "file", modified: httpDate(modified) };
    return { ...row, size: isWhole ? `${size}` : "" };
  }
  if (!isCollection(child)) return { ...placeRow(name, child.kind), name };
  if (!("info" in child)) return placeRow(name, child.kind);
  const { objects, modified } = child.info;
  return { ...placeRow(name, child.kind), size: isWhole ? `${objects} items` : "", modified: httpDate(modified) };
}

async function details(principal: Principal | Sudoer, context: Context): Promise<string> {
  const { directory, urls } = context.services;
  const links = (all: readonly Principal[]): string =>
    all
      .map((other) => `<a href="${escapeAttribute(urls.principal(other))}">${escapeText(other.fullName)}</a>`)
      .join(", ");
  const facts: [string, string][] = [
    ["Full name", escapeText(principal.fullName)],
    ["Short name", escapeText(principal.shortName)],
    ["UID", escapeText(principal.uid)],
    ["Kind", escapeText(calendarUserType(principal.type))],
    ["Addresses", principal.addresses.map(escapeText).join("<br>")],
    ["Groups", links(await directory.memberships(principal))],
  ];
  if (principal.type === "groups") facts.push(["Members", links(await directory.members(principal))]);
  if (principal.calendaring) {
    const home = urls.home(principal);
    facts.push(
      ["Calendars", `<a href="${escapeAttribute(home)}">${escapeText(home)}</a>`],
      ["May read the calendars", links(await directory.delegates(principal, "read"))],
      ["May edit the calendars", links(await directory.delegates(principal, "write"))],
    );
  }
  return `<table>${facts.map(([name, value]) => `<tr><th>${name}</th><td>${value}</td></tr>`).join("\n")}</table>\n`;
}
