// Writes the calendars that rules may count in (RSCALE, RFC 7529), from the CLDR data and calendars of node's own ICU:
// node scripts/make-scales.mjs writes data/scales/scales.txt, the years from 1800 to 2200.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

// Names by RFC 7529 §4 (CLDR, upper case), and what Intl calls them.
const scales = {
  CHINESE: "chinese",
  DANGI: "dangi",
  HEBREW: "hebrew",
  ETHIOPIC: "ethiopic",
  COPTIC: "coptic",
  "ISLAMIC-CIVIL": "islamic-civil",
  "ISLAMIC-TBLA": "islamic-tbla",
  "ISLAMIC-UMALQURA": "islamic-umalqura",
  PERSIAN: "persian",
  INDIAN: "indian",
};
// Intl names the months of this one also where numbers are asked for. RFC 7529 §4.2: the leap month, Adar I, is 5L.
const hebrew = "Tishri Heshvan Kislev Tevet Shevat Adar Nisan Iyar Sivan Tamuz Av Elul".split(" ");
const lengths = { 5: "a", 6: "b", 29: "c", 30: "d", 31: "e" };
const first = Date.UTC(1800, 0, 1) / 86_400_000;
const last = Date.UTC(2200, 0, 1) / 86_400_000;

function monthOf(text) {
  if (text === "Adar I") return { number: 5, leap: true };
  const named = hebrew.indexOf(text.replace(" II", "")) + 1;
  if (named > 0) return { number: named, leap: false };
  return { number: Number.parseInt(text, 10), leap: text.endsWith("bis") };
}

const lines = [];
for (const [name, calendar] of Object.entries(scales)) {
  const format = new Intl.DateTimeFormat(`en-u-ca-${calendar}`, { timeZone: "UTC", month: "numeric", day: "numeric" });
  const read = (day) => {
    const parts = format.formatToParts(new Date(day * 86_400_000));
    const part = (type) => parts.find((one) => one.type === type).value;
    return { ...monthOf(part("month")), day: Number(part("day")) };
  };
  let day = first;
  const isNewYear = ({ number, leap, day: ofMonth }) => number === 1 && !leap && ofMonth === 1;
  while (!isNewYear(read(day))) day++;
  const begin = day;
  const years = [];
  while (day < last) {
    let year = "";
    let month = read(day);
    do {
      const length = [5, 6, 29, 30, 31].find((days) => read(day + days).day === 1);
      const letter = lengths[length];
      year += month.leap ? letter.toUpperCase() : letter;
      day += length;
      month = read(day);
    } while (!isNewYear(month));
    years.push(year);
  }
  lines.push(`${name} ${begin} ${years.join(" ")}`);
}
writeFileSync(
  fileURLToPath(new URL("../data/scales/scales.txt", import.meta.url)),
  `# The years 1800 to 2200 of calendars other than the Gregorian. Written by scripts/make-scales.mjs from ICU ${process.versions.icu}.
# A calendar: name, its first new year here (days since 1970-01-01), its years. A year is a letter for each month: a to e for
# 5, 6, 29, 30 and 31 days, a capital for a leap month, which has the number of the month before.
${lines.join("\n")}\n`,
);
