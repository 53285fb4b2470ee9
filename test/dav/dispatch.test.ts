import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { conditionOf, conditions } from "../../src/dav/conditions.ts";
import { dispatch } from "../../src/dav/dispatch.ts";
import { errorResponse } from "../../src/dav/error-body.ts";
import type { Method } from "../../src/dav/registry.ts";
import { collectionKinds, resourceKinds } from "../../src/dav/resource.ts";
import { HttpError, type HttpResponse } from "../../src/http/message.ts";
import { type Reason, Refusal } from "../../src/model/refusal.ts";
import { readXml } from "../../src/xml/read.ts";
import { givenTree, requestOf, type Tree, textOfBody } from "./tree.ts";

const home = "/calendars/users/user01/";
const ok = async (): Promise<HttpResponse> => ({ status: 207 });
const methods: readonly Method[] = [
  { name: "GET", on: resourceKinds, needs: () => ["read"], handle: async () => ({ status: 200 }) },
  { name: "PROPFIND", on: resourceKinds, needs: () => ["read"], handle: ok },
  {
    name: "PUT",
    on: ["unmapped", "object", "file"],
    needs: ({ kind }) => (kind === "unmapped" ? ["parent bind"] : ["write-content"]),
    handle: async (resource) => {
      if (resource.kind === "unmapped" && resource.parent === undefined) throw new HttpError(409, "no parent");
      return { status: 201 };
    },
  },
  {
    name: "DELETE",
    on: [...collectionKinds, "object"],
    needs: () => ["parent unbind"],
    handle: async () => ({ status: 204 }),
  },
];

let tree: Tree;
before(async () => {
  tree = await givenTree({ methods });
  await ask("user01", "PROPFIND", home);
});
after(() => tree.end());

async function ask(
  user: string | undefined,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpResponse> {
  const request = requestOf(method, path, headers);
  const context = await tree.context(user);
  const challenge = (): Record<string, string> => ({ "www-authenticate": "Basic" });
  return dispatch(request, context).catch((error) => errorResponse(error, request, context, challenge));
}
const status = async (user: string | undefined, method: string, path: string): Promise<number> =>
  (await ask(user, method, path)).status;

describe("who has not signed in", () => {
  test("is challenged by PROPFIND on / and /principals/, though a browser may GET /", async () => {
    for (const path of ["/", "/principals/", "/principals/users/user01/", home, `${home}calendar/`, "/calendars/"]) {
      const { status, headers } = await ask(undefined, "PROPFIND", path);
      assert.equal(status, 401, path);
      assert.equal(headers?.["www-authenticate"], "Basic");
    }
    assert.equal(await status(undefined, "GET", "/"), 200);
  });
  test("learns nothing of what exists: all is 401, with the same words", async () => {
    const bodies = new Set<string>();
    for (const path of [
      home,
      "/calendars/users/user01",
      "/calendars/users/nobody",
      `${home}calendar/x.ics`,
      "/calendars/users/nobody/calendar/x.ics",
      "/principals/users/nobody",
    ]) {
      const response = await ask(undefined, "GET", path);
      assert.equal(response.status, 401, path);
      bodies.add(await textOfBody(response));
    }
    assert.equal(bodies.size, 1);
    assert.equal(await status(undefined, "PUT", `${home}calendar/`), 401);
  });
  test("may ask for OPTIONS", async () => assert.equal(await status(undefined, "OPTIONS", home), 200));
});

describe("somebody else's home", () => {
  test("answers alike for what is there and what is not", async () => {
    const answers = new Set<string>();
    for (const name of ["calendar", "none"]) {
      const response = await ask("user02", "GET", `${home}${name}`);
      assert.equal(response.status, 403);
      answers.add((await textOfBody(response)).replaceAll(`user01/${name}`, "…"));
    }
    assert.equal(answers.size, 1);
    assert.equal(await status("user02", "GET", `${home}none/none.ics`), 403);
    assert.equal(await status("user02", "PUT", `${home}none/none.ics`), 403);
  });
});

describe("the owner", () => {
  test("gets 404 for what is not there, 409 for a PUT without parent", async () => {
    assert.equal(await status("user01", "GET", `${home}none`), 404);
    assert.equal(await status("user01", "PROPFIND", `${home}none/none.ics`), 404);
    assert.equal(await status("user01", "PUT", `${home}none/none.ics`), 409);
    assert.equal(await status("user01", "PUT", `${home}calendar/new.ics`), 201);
  });
  test("cannot unbind the home: where it lies nobody may", async () => {
    assert.equal(await status("user01", "DELETE", home), 403);
    assert.equal(await status("user01", "DELETE", `${home}calendar/`), 204);
  });
  test("is told what a resource takes instead", async () => {
    const { status, headers } = await ask("user01", "PUT", `${home}calendar/`);
    assert.equal(status, 405);
    assert.equal(headers?.["allow"], "OPTIONS, GET, PROPFIND, DELETE");
  });
  test("gets 501 for a method nobody knows, locks among them", async () => {
    for (const method of ["LOCK", "BREW"]) assert.equal(await status("user01", method, home), 501);
  });
});

describe("a collection without its slash", () => {
  test("sends a browser to the slash, with the query", async () => {
    const { status, headers } = await ask("user01", "GET", `${home}calendar?x=1`);
    assert.equal(status, 301);
    assert.equal(headers?.["location"], `${home}calendar/?x=1`);
  });
  test("answers a DAV client at once and says where it is", async () => {
    const { status, headers } = await ask("user01", "PROPFIND", `${home}calendar`);
    assert.equal(status, 207);
    assert.equal(headers?.["content-location"], `${home}calendar/`);
  });
});

describe("/.well-known/caldav", () => {
  test("leads every method and everybody to /principals/", async () => {
    for (const method of ["GET", "PROPFIND", "HEAD"])
      for (const user of ["user01", undefined]) {
        const { status, headers } = await ask(user, method, "/.well-known/caldav");
        assert.equal(status, 301);
        assert.equal(headers?.["location"], "/principals/");
      }
  });
  test("/.well-known/carddav is not there", async () =>
    assert.equal(await status("user01", "GET", "/.well-known/carddav"), 404));
});

describe("OPTIONS", () => {
  test("a principal claims calendar-access, as DAVx5 wants it; / does not", async () => {
    const tokens = async (path: string): Promise<string> =>
      `${(await ask("user01", "OPTIONS", path)).headers?.["dav"]}`;
    assert.match(await tokens("/principals/users/user01/"), /(^|, )calendar-access(,|$)/);
    assert.match(await tokens(home), /calendar-proxy/);
    assert.doesNotMatch(await tokens("/"), /calendar-access/);
    assert.doesNotMatch(await tokens("/principals/groups/group01/"), /calendar-access/);
  });
  test("scheduling is not claimed before POST to the outbox is answered", async () =>
    assert.doesNotMatch(`${(await ask("user01", "OPTIONS", home)).headers?.["dav"]}`, /calendar-auto-schedule/));
  test("Allow names the methods of the resource to its reader", async () => {
    assert.equal((await ask("user01", "OPTIONS", "/")).headers?.["allow"], "OPTIONS, GET, PROPFIND");
    assert.equal((await ask("user02", "OPTIONS", home)).headers?.["allow"], "OPTIONS, GET, PROPFIND, PUT, DELETE");
  });
});

describe("an error", () => {
  const told = async (error: unknown): Promise<HttpResponse> =>
    errorResponse(error, requestOf("PUT", "/x"), await tree.context("user01"), () => ({}));

  test("of the domain holds the precondition and a sentence", async () => {
    const response = await told(new Refusal({ code: "no-uid-conflict", existing: "/a%20b.ics" as never }));
    assert.equal(response.status, 403);
    const text = await textOfBody(response);
    assert.equal(readXml(text).name, "{DAV:}error");
    assert.match(text, /<C:no-uid-conflict><D:href>\/a%20b\.ics<\/D:href><\/C:no-uid-conflict><error-description/);
  });
  test("has a status, an element of its own name and a sentence, whatever the reason", () => {
    // One value with the fields of every reason.
    const all = {
      problem: "p",
      limit: 5,
      component: "VX",
      existing: "/x",
      collation: "c",
      name: "n",
      href: "/x",
      privileges: ["read"],
      roots: ["/x"],
    };
    for (const code of Object.keys(conditions)) {
      const { status, element, text } = conditionOf({ ...all, code } as unknown as Reason);
      assert.ok([400, 403, 409, 423, 507].includes(status), code);
      assert.ok(element.name.endsWith(`}${code}`), code);
      assert.ok(text.length > 0, code);
    }
  });
  test("of the protocol keeps its status and headers", async () => {
    const response = await told(new HttpError(503, "later", { "retry-after": "5" }));
    assert.equal(response.status, 503);
    assert.equal(response.headers?.["retry-after"], "5");
  });
  test("of a full disk is 507, anything unforeseen 500 and a line in the log", async () => {
    tree.warnings.length = 0;
    assert.equal((await told(Object.assign(new Error("no space"), { code: "ENOSPC" }))).status, 507);
    const response = await told(new TypeError("secret detail"));
    assert.equal(response.status, 500);
    assert.doesNotMatch(await textOfBody(response), /secret/);
    assert.equal(tree.warnings.length, 2);
  });
});
