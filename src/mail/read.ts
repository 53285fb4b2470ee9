import PostalMime, {
  type Address,
  type Attachment,
  addressParser,
  type Email,
  type Mailbox as ParsedMailbox,
} from "postal-mime";
import { type DeliveryReport, type IncomingMail, plainAddress } from "./mail.ts";

/** Calendar parts looked at, and characters of one. */
const maxCalendars = 4;
const maxCalendar = 2_097_152;

/** Parts of a mail, or what looks like the beginning of one. */
const maxParts = 2_000;
/** Lines of a mail: 8 MB in base64 have 110,000, and a parser's time grows faster than they do. */
const maxLines = 120_000;

/** Leaves words alone: to make text of HTML and HTML of text costs minutes where somebody has tried for it. */
class PartReader extends PostalMime {
  isInlineTextNode(): boolean {
    return false;
  }

  renderTextContent(): void {}
}

/** Reads a mail (RFC 5322, MIME). Throws an Error for what is none, or is nested or long beyond reason. */
export async function readMail(bytes: Uint8Array): Promise<IncomingMail> {
  if (hasMore(maxParts, partBegins, bytes)) throw new Error(`a mail has ${maxParts} parts at most`);
  if (hasMore(maxLines, lineEnds, bytes)) throw new Error(`a mail has ${maxLines} lines at most`);
  const reader = new PartReader({
    attachmentEncoding: "arraybuffer",
    // What a report returns is no mail to us.
    forceRfc822Attachments: true,
    maxNestingDepth: 20,
    maxHeadersSize: 65_536,
  });
  const mail = await reader.parse(bytes);
  const header = (name: string): readonly string[] =>
    mail.headers.filter(({ key }) => key === name).map(({ value }) => value.trim());
  const automatic = header("auto-submitted")[0]?.toLowerCase() ?? "no";
  // By itself the parser tells of the first author only, and a second one could be who is shown to people.
  const froms = header("from").flatMap((value) => mailboxesOf(addressParser(value)));
  const named = [...(mail.to ?? []), ...(mail.cc ?? [])];
  const delivered = ["delivered-to", "x-original-to", "envelope-to"].flatMap(header);
  return {
    from: froms.length === 1 ? froms[0] : undefined,
    to: [...new Set([...mailboxesOf(named), ...delivered.map((one) => canonical(one.replace(/^<|>$/g, "")))])].slice(
      0,
      100,
    ),
    messageId: mail.messageId,
    subject: mail.subject ?? "",
    isAutomatic:
      !automatic.startsWith("no") ||
      header("precedence").some((word) => /^(bulk|junk|list|auto_reply)$/i.test(word)) ||
      header("x-autoreply").length + header("x-autorespond").length > 0 ||
      header("return-path").includes("<>") ||
      froms.some((from) => /^(?:mailer-daemon|postmaster)@/.test(from)),
    ...calendarsOf(mail.attachments),
    report: reportOf(mail),
  };
}

const partBegins = Buffer.from("\n--");

const lineEnds = Buffer.from("\n");

function hasMore(most: number, mark: Uint8Array, bytes: Uint8Array): boolean {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = all.indexOf(mark); at !== -1 && count <= most; at = all.indexOf(mark, at + mark.length)) count++;
  return count > most;
}

const mailboxesOf = (list: readonly Address[]): readonly string[] =>
  list
    .flatMap((one): readonly ParsedMailbox[] => one.group ?? [one])
    .map(({ address }) => canonical(address))
    .filter((address) => address !== "");

const canonical = (address: string): string => plainAddress(address) ?? address.toLowerCase();

/** Alternatives first: the same calendar is often attached once more. */
function calendarsOf(attachments: readonly Attachment[]): Pick<IncomingMail, "calendars" | "contradictions"> {
  const calendars = attachments.filter(
    ({ mimeType, filename }) =>
      mimeType === "text/calendar" ||
      mimeType === "application/ics" ||
      (mimeType === "application/octet-stream" && filename?.toLowerCase().endsWith(".ics") === true),
  );
  const rank = ({ mimeType }: Attachment): number => (mimeType === "text/calendar" ? 0 : 1);
  const read = calendars
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, maxCalendars)
    .map((attachment) => ({ text: textOf(attachment), method: attachment.method }))
    .filter(({ text }) => text.length <= maxCalendar);
  const contradicts = ({ text, method }: (typeof read)[number]): boolean => {
    const own = /^METHOD:[ \t]{0,9}([\w-]{1,40})/im.exec(text)?.[1]?.toUpperCase();
    return method !== undefined && own !== undefined && method !== own;
  };
  return {
    calendars: read.filter((one) => !contradicts(one)).map(({ text }) => text),
    contradictions: read.filter(contradicts).length,
  };
}

function textOf({ content }: Attachment): string {
  if (typeof content === "string") return content;
  return new TextDecoder("utf-8").decode(content);
}

const statusTypes: ReadonlySet<string> = new Set(["message/delivery-status", "message/global-delivery-status"]);

/** A delivery report (RFC 3464 §2.3.3): blocks of fields, one for each recipient. */
function reportOf({ headers, attachments }: Email): DeliveryReport | undefined {
  const type = headers.find(({ key }) => key === "content-type")?.value.toLowerCase() ?? "";
  if (!type.startsWith("multipart/report")) return undefined;
  const status = attachments.find(({ mimeType }) => statusTypes.has(mimeType));
  if (status === undefined) return undefined;
  const text = textOf(status).slice(0, 65_536);
  const failed = /^action:[ \t]*failed\b/im.test(text);
  const why = /^diagnostic-code:[ \t]*(.{1,300})/im.exec(text)?.[1] ?? /^status:[ \t]*(.{1,40})/im.exec(text)?.[1];
  return { failed, why: why?.trim() ?? "" };
}
