import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRange, rangeResponse } from "../../src/http/range.ts";
import { utc } from "../../src/model/ids.ts";

const content = {
  bytes: Buffer.from("0123456789"),
  etag: '"abc"',
  modified: utc(784111777),
  headers: { "Content-Type": "text/calendar", ETag: '"abc"' },
};

test("ranges are read as RFC 9110 §14.1.2 says", () => {
  assert.deepEqual(parseRange("bytes=0-4", 10), [{ first: 0, last: 4 }]);
  assert.deepEqual(parseRange("bytes=4-", 10), [{ first: 4, last: 9 }]);
  assert.deepEqual(parseRange("bytes=-3", 10), [{ first: 7, last: 9 }]);
  assert.deepEqual(parseRange("bytes=-30", 10), [{ first: 0, last: 9 }]);
  assert.deepEqual(parseRange("bytes=8-99", 10), [{ first: 8, last: 9 }]);
  assert.deepEqual(parseRange("Bytes = 0-0 , 9-9, 99-", 10), [
    { first: 0, last: 0 },
    { first: 9, last: 9 },
  ]);
  for (const none of ["bytes=10-", "bytes=-0", "bytes=99-100"]) assert.equal(parseRange(none, 10), "unsatisfiable");
  for (const wrong of ["lines=1-2", "bytes=", "bytes=-", "bytes=a-b", "bytes=4-2", "bytes 1-2", "bytes=0-1,x"])
    assert.equal(parseRange(wrong, 10), undefined, wrong);
  assert.equal(parseRange(`bytes=${"0-0,".repeat(17)}1-1`, 10), undefined);
  assert.equal(parseRange("bytes=0-", 0), "unsatisfiable");
});

test("ranges that overlap or touch are joined, others keep their order", () => {
  assert.deepEqual(parseRange("bytes=5-6,0-2,2-4", 10), [{ first: 0, last: 6 }]);
  assert.deepEqual(parseRange("bytes=8-9,0-1", 10), [
    { first: 8, last: 9 },
    { first: 0, last: 1 },
  ]);
});

test("one range is a 206 with Content-Range", () => {
  const response = rangeResponse({ range: "bytes=2-4" }, content);
  assert.equal(response.status, 206);
  assert.equal(response.headers?.["Content-Range"], "bytes 2-4/10");
  assert.equal(response.headers?.["ETag"], '"abc"');
  assert.equal(String(response.body), "234");
});

test("several ranges are a multipart body", () => {
  const response = rangeResponse({ range: "bytes=0-1,8-9" }, content);
  assert.equal(response.status, 206);
  const type = String(response.headers?.["Content-Type"]);
  const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(type)?.[1];
  assert.equal(
    String(response.body),
    `--${boundary}\r\nContent-Type: text/calendar\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--${boundary}\r\nContent-Type: text/calendar\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--${boundary}--\r\n`,
  );
});

test("without Range, with a malformed one or an outdated If-Range, the whole is sent", () => {
  for (const headers of [
    {},
    { range: "bytes=x" },
    { range: "bytes=0-1", "if-range": '"old"' },
    { range: "bytes=0-1", "if-range": 'W/"abc"' },
    { range: "bytes=0-1", "if-range": "Sun, 06 Nov 1994 08:49:36 GMT" },
    { range: "bytes=0-1", "if-range": "Sun, 06 Nov 1994 08:49:38 GMT" },
  ]) {
    const response = rangeResponse(headers, content);
    assert.equal(response.status, 200);
    assert.equal(response.body, content.bytes);
    assert.equal(response.headers?.["Accept-Ranges"], "bytes");
  }
  for (const current of ['"abc"', "Sun, 06 Nov 1994 08:49:37 GMT"])
    assert.equal(rangeResponse({ range: "bytes=0-1", "if-range": current }, content).status, 206);
});

test("a range beyond the end is 416 and says how long the resource is", () => {
  const response = rangeResponse({ range: "bytes=10-" }, content);
  assert.equal(response.status, 416);
  assert.equal(response.headers?.["Content-Range"], "bytes */10");
});
