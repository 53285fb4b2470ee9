import { readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { PrincipalUid } from "../model/ids.ts";
import { childrenNamed, type Element, el, type QName, textOf } from "../xml/element.ts";
import { readXml } from "../xml/read.ts";
import { writeXml } from "../xml/write.ts";
import type { PublishedPlaces } from "./contract.ts";
import { freshName, isMissing, makeDirectories, renameFile, stageFile, syncDirectory } from "./files.ts";
import type { Layout } from "./layout.ts";

const SHARING = "urn:caldavd:sharing";
const rootName: QName = `{${SHARING}}calendar`;
const ownerName: QName = `{${SHARING}}owner`;
const segmentName: QName = `{${SHARING}}collection`;

/** What a token consists of: nothing else is looked for on the disk. */
const tokenPattern = /^[A-Za-z0-9_-]{16,64}$/;

/** Published calendars as files: `published/<token>` holds the owner's uid and the calendar's path below the home. */
export const publishedPlaces = (layout: Layout): PublishedPlaces => ({
  async find(token) {
    if (!tokenPattern.test(token)) return undefined;
    let root: Element;
    try {
      root = readXml(await readFile(layout.publishedPlace(token), "utf8"));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    const [owner] = childrenNamed(root, ownerName);
    if (owner === undefined) return undefined;
    return { owner: textOf(owner) as PrincipalUid, path: childrenNamed(root, segmentName).map(textOf) };
  },
  async set(token, { owner, path }) {
    await makeDirectories(layout.published);
    const text = writeXml(el(rootName, el(ownerName, owner.uid), ...path.map((name) => el(segmentName, name))));
    const staged = join(layout.staging, freshName());
    await stageFile(staged, Buffer.from(text), undefined);
    await renameFile(staged, layout.publishedPlace(token));
    await syncDirectory(layout.published);
  },
  async remove(token) {
    await unlink(layout.publishedPlace(token)).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  },
});
