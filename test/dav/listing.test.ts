import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { listing } from "../../src/dav/listing.ts";
import { resolve } from "../../src/dav/resolve.ts";
import type { Shape } from "../../src/dav/resource.ts";
import { HttpError, type HttpResponse } from "../../src/http/message.ts";
import { decodePath } from "../../src/http/uri.ts";
import { givenTree, type Tree, textOfBody } from "./tree.ts";

let tree: Tree;
before(async () => {
  tree = await givenTree();
});
after(() => tree.end());

async function page(user: string, path: string): Promise<HttpResponse> {
  const context = await tree.context(user);
  return listing(await resolve(decodePath(path), path, context), context);
}

test("names and properties from outside are escaped, and a browser is told to run nothing", async () => {
  const path = "/calendars/users/user01/calendar/";
  const context = await tree.context("user01");
  const calendar = (await resolve(decodePath(path), path, context)) as Shape<"calendar">;
  const staged = await calendar.collection.stage(Buffer.from("x"), new Map());
  await calendar.collection.change((change) => change.put('<script>"&.ics', staged, undefined));
  const response = await page("user01", path);
  const text = await textOfBody(response);
  assert.equal(response.headers?.["content-type"], "text/html; charset=utf-8");
  assert.equal(response.headers?.["x-content-type-options"], "nosniff");
  assert.match(`${response.headers?.["content-security-policy"]}`, /default-src 'none'/);
  assert.match(text, /<a href="%3Cscript%3E%22%26\.ics">&lt;script&gt;"&amp;\.ics<\/a>/);
  assert.doesNotMatch(text, /<script>/);
});

test("a path's own name cannot break out of the title", async () => {
  const text = await textOfBody(await page("user01", "/calendars/users/user01/"));
  assert.match(text, /<a href="calendar\/">calendar\/<\/a>/);
});

test("only what the user may read is listed", async () => {
  const owner = await tree.user("user01");
  await tree.services.directory.setDelegates(owner, "read", [await tree.user("user02")]);
  assert.match(await textOfBody(await page("user02", "/calendars/users/user01/")), /calendar\//);
  await tree.services.directory.setDelegates(owner, "read", []);
  assert.doesNotMatch(await textOfBody(await page("user02", "/calendars/users/user01/")), /href="calendar\//);
});

test("a principal shows addresses, groups and calendars", async () => {
  const text = await textOfBody(await page("user02", "/principals/users/user01/"));
  assert.match(text, /mailto:user01@example\.com/);
  assert.match(text, /\/calendars\/__uids__\//);
});

test("__uids__ is refused before a page is begun", () =>
  assert.rejects(
    page("user01", "/principals/__uids__/"),
    (error) => error instanceof HttpError && error.status === 403,
  ));
