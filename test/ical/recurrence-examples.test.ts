// Every example of RFC 5545 §3.8.5.3, in its order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { instancesIn } from "../../src/ical/instances.ts";
import { parseRule } from "../../src/ical/recurrence.ts";
import { utcZone } from "../../src/ical/zones.ts";
import { always, dates, events, localStarts } from "./calendar-text.ts";

interface Example {
  readonly title: string;
  readonly start: string;
  /** More than one: each gives the same set. */
  readonly rules: readonly string[];
  readonly except?: string;
  /** At 09:00 in New York. Ends in "…" when the set goes on. */
  readonly gives: string;
}

const examples: readonly Example[] = [
  { title: "daily for 10 occurrences", start: "19970902", rules: ["FREQ=DAILY;COUNT=10"], gives: "1997 Sep 2-11" },
  {
    title: "daily until December 24, 1997",
    start: "19970902",
    rules: ["FREQ=DAILY;UNTIL=19971224T000000Z"],
    gives: "1997 Sep 2-30 Oct 1-31 Nov 1-30 Dec 1-23",
  },
  {
    title: "every other day",
    start: "19970902",
    rules: ["FREQ=DAILY;INTERVAL=2"],
    gives:
      "1997 Sep 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30 Oct 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30 Nov 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29 Dec 1,3…",
  },
  {
    title: "every 10 days, 5 occurrences",
    start: "19970902",
    rules: ["FREQ=DAILY;INTERVAL=10;COUNT=5"],
    gives: "1997 Sep 2,12,22 Oct 2,12",
  },
  {
    title: "every day in January, for 3 years",
    start: "19980101",
    rules: [
      "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
      "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
    ],
    gives: "1998 Jan 1-31; 1999 Jan 1-31; 2000 Jan 1-31",
  },
  {
    title: "weekly for 10 occurrences",
    start: "19970902",
    rules: ["FREQ=WEEKLY;COUNT=10"],
    gives: "1997 Sep 2,9,16,23,30 Oct 7,14,21,28 Nov 4",
  },
  {
    title: "weekly until December 24, 1997",
    start: "19970902",
    rules: ["FREQ=WEEKLY;UNTIL=19971224T000000Z"],
    gives: "1997 Sep 2,9,16,23,30 Oct 7,14,21,28 Nov 4,11,18,25 Dec 2,9,16,23",
  },
  {
    title: "every other week",
    start: "19970902",
    rules: ["FREQ=WEEKLY;INTERVAL=2;WKST=SU"],
    gives: "1997 Sep 2,16,30 Oct 14,28 Nov 11,25 Dec 9,23; 1998 Jan 6,20 Feb 3,17…",
  },
  {
    title: "weekly on Tuesday and Thursday for five weeks",
    start: "19970902",
    rules: ["FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH"],
    gives: "1997 Sep 2,4,9,11,16,18,23,25,30 Oct 2",
  },
  {
    title: "every other week on Monday, Wednesday, and Friday until December 24, 1997",
    start: "19970901",
    rules: ["FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR"],
    gives: "1997 Sep 1,3,5,15,17,19,29 Oct 1,3,13,15,17,27,29,31 Nov 10,12,14,24,26,28 Dec 8,10,12,22",
  },
  {
    title: "every other week on Tuesday and Thursday, for 8 occurrences",
    start: "19970902",
    rules: ["FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH"],
    gives: "1997 Sep 2,4,16,18,30 Oct 2,14,16",
  },
  {
    title: "monthly on the first Friday for 10 occurrences",
    start: "19970905",
    rules: ["FREQ=MONTHLY;COUNT=10;BYDAY=1FR"],
    gives: "1997 Sep 5 Oct 3 Nov 7 Dec 5; 1998 Jan 2 Feb 6 Mar 6 Apr 3 May 1 Jun 5",
  },
  {
    title: "monthly on the first Friday until December 24, 1997",
    start: "19970905",
    rules: ["FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR"],
    gives: "1997 Sep 5 Oct 3 Nov 7 Dec 5",
  },
  {
    title: "every other month on the first and last Sunday for 10 occurrences",
    start: "19970907",
    rules: ["FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU"],
    gives: "1997 Sep 7,28 Nov 2,30; 1998 Jan 4,25 Mar 1,29 May 3,31",
  },
  {
    title: "monthly on the second-to-last Monday for 6 months",
    start: "19970922",
    rules: ["FREQ=MONTHLY;COUNT=6;BYDAY=-2MO"],
    gives: "1997 Sep 22 Oct 20 Nov 17 Dec 22; 1998 Jan 19 Feb 16",
  },
  {
    title: "monthly on the third-to-the-last day",
    start: "19970928",
    rules: ["FREQ=MONTHLY;BYMONTHDAY=-3"],
    gives: "1997 Sep 28 Oct 29 Nov 28 Dec 29; 1998 Jan 29 Feb 26…",
  },
  {
    title: "monthly on the 2nd and 15th for 10 occurrences",
    start: "19970902",
    rules: ["FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15"],
    gives: "1997 Sep 2,15 Oct 2,15 Nov 2,15 Dec 2,15; 1998 Jan 2,15",
  },
  {
    title: "monthly on the first and last day for 10 occurrences",
    start: "19970930",
    rules: ["FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1"],
    gives: "1997 Sep 30 Oct 1,31 Nov 1,30 Dec 1,31; 1998 Jan 1,31 Feb 1",
  },
  {
    title: "every 18 months on the 10th thru 15th for 10 occurrences",
    start: "19970910",
    rules: ["FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15"],
    gives: "1997 Sep 10-15; 1999 Mar 10-13",
  },
  {
    title: "every Tuesday, every other month",
    start: "19970902",
    rules: ["FREQ=MONTHLY;INTERVAL=2;BYDAY=TU"],
    gives: "1997 Sep 2,9,16,23,30 Nov 4,11,18,25; 1998 Jan 6,13,20,27 Mar 3,10,17,24,31…",
  },
  {
    title: "yearly in June and July for 10 occurrences",
    start: "19970610",
    rules: ["FREQ=YEARLY;COUNT=10;BYMONTH=6,7"],
    gives: "1997 Jun 10 Jul 10; 1998 Jun 10 Jul 10; 1999 Jun 10 Jul 10; 2000 Jun 10 Jul 10; 2001 Jun 10 Jul 10",
  },
  {
    title: "every other year on January, February, and March for 10 occurrences",
    start: "19970310",
    rules: ["FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3"],
    gives: "1997 Mar 10; 1999 Jan 10 Feb 10 Mar 10; 2001 Jan 10 Feb 10 Mar 10; 2003 Jan 10 Feb 10 Mar 10",
  },
  {
    title: "every third year on the 1st, 100th, and 200th day for 10 occurrences",
    start: "19970101",
    rules: ["FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200"],
    gives: "1997 Jan 1 Apr 10 Jul 19; 2000 Jan 1 Apr 9 Jul 18; 2003 Jan 1 Apr 10 Jul 19; 2006 Jan 1",
  },
  {
    title: "every 20th Monday of the year",
    start: "19970519",
    rules: ["FREQ=YEARLY;BYDAY=20MO"],
    gives: "1997 May 19; 1998 May 18; 1999 May 17…",
  },
  {
    title: "Monday of week number 20",
    start: "19970512",
    rules: ["FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"],
    gives: "1997 May 12; 1998 May 11; 1999 May 17…",
  },
  {
    title: "every Thursday in March",
    start: "19970313",
    rules: ["FREQ=YEARLY;BYMONTH=3;BYDAY=TH"],
    gives: "1997 Mar 13,20,27; 1998 Mar 5,12,19,26; 1999 Mar 4,11,18,25…",
  },
  {
    title: "every Thursday, but only during June, July, and August",
    start: "19970605",
    rules: ["FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8"],
    gives:
      "1997 Jun 5,12,19,26 Jul 3,10,17,24,31 Aug 7,14,21,28; 1998 Jun 4,11,18,25 Jul 2,9,16,23,30 Aug 6,13,20,27; 1999 Jun 3,10,17,24 Jul 1,8,15,22,29 Aug 5,12,19,26…",
  },
  {
    title: "every Friday the 13th",
    start: "19970902",
    except: "19970902",
    rules: ["FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13"],
    gives: "1998 Feb 13 Mar 13 Nov 13; 1999 Aug 13; 2000 Oct 13…",
  },
  {
    title: "the first Saturday that follows the first Sunday of the month",
    start: "19970913",
    rules: ["FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13"],
    gives: "1997 Sep 13 Oct 11 Nov 8 Dec 13; 1998 Jan 10 Feb 7 Mar 7 Apr 11 May 9 Jun 13…",
  },
  {
    title: "U.S. Presidential Election day",
    start: "19961105",
    rules: ["FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8"],
    gives: "1996 Nov 5; 2000 Nov 7; 2004 Nov 2…",
  },
  {
    title: "the third instance of Tuesday, Wednesday, or Thursday for 3 months",
    start: "19970904",
    rules: ["FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3"],
    gives: "1997 Sep 4 Oct 7 Nov 6",
  },
  {
    title: "the second-to-last weekday of the month",
    start: "19970929",
    rules: ["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2"],
    gives: "1997 Sep 29 Oct 30 Nov 27 Dec 30; 1998 Jan 29 Feb 26 Mar 30…",
  },
  {
    title: "WKST=MO makes a difference",
    start: "19970805",
    rules: ["FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO"],
    gives: "1997 Aug 5,10,19,24",
  },
  {
    title: "WKST=SU makes a difference",
    start: "19970805",
    rules: ["FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU"],
    gives: "1997 Aug 5,17,19,31",
  },
  {
    title: "an invalid date is ignored",
    start: "20070115",
    rules: ["FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5"],
    gives: "2007 Jan 15,30 Feb 15 Mar 15,30",
  },
];

const starts = (start: string, rule: string, limit: number, except?: string): string[] => {
  parseRule(rule, 1);
  const exdate = except === undefined ? "" : `EXDATE;TZID=America/New_York:${except}T090000`;
  const object = events(`DTSTART;TZID=America/New_York:${start}T090000\nRRULE:${rule}\n${exdate}`);
  return localStarts(instancesIn(object, always, utcZone, limit));
};

for (const { title, start, rules, except, gives } of examples)
  for (const rule of rules)
    test(`RFC 5545 example, ${title}: ${rule}`, () => {
      const goesOn = gives.endsWith("…");
      const wanted = dates(gives.replace("…", ""), "T090000");
      assert.deepEqual(starts(start, rule, goesOn ? wanted.length : wanted.length + 1, except), wanted);
    });

const onThatDay = (...times: readonly string[]): string[] => times.map((time) => `19970902T${time}00`);

test("RFC 5545 example, every 3 hours from 9:00 AM to 5:00 PM on a specific day", () => {
  // The RFC ends this rule at 170000Z, which is 1:00 PM in New York, and lists 15:00 all the same: it means 2100Z, as an erratum says.
  assert.deepEqual(
    starts("19970902", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", 9),
    onThatDay("0900", "1200", "1500"),
  );
  assert.deepEqual(starts("19970902", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", 9), onThatDay("0900", "1200"));
});

test("RFC 5545 example, every 15 minutes for 6 occurrences", () => {
  assert.deepEqual(
    starts("19970902", "FREQ=MINUTELY;INTERVAL=15;COUNT=6", 9),
    onThatDay("0900", "0915", "0930", "0945", "1000", "1015"),
  );
});

test("RFC 5545 example, every hour and a half for 4 occurrences", () => {
  assert.deepEqual(
    starts("19970902", "FREQ=MINUTELY;INTERVAL=90;COUNT=4", 9),
    onThatDay("0900", "1030", "1200", "1330"),
  );
});

test("RFC 5545 example, every 20 minutes from 9:00 AM to 4:40 PM every day, in both spellings", () => {
  const daily = starts("19970902", "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40", 60);
  assert.deepEqual(starts("19970902", "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16", 60), daily);
  assert.deepEqual(daily.slice(0, 4), onThatDay("0900", "0920", "0940", "1000"));
  assert.deepEqual(daily.slice(22, 26), [...onThatDay("1620", "1640"), "19970903T090000", "19970903T092000"]);
});

test("RFC 5545 §3.3.10 example: every Sunday in January at 8:30 and 9:30, every other year", () => {
  const rule = "FREQ=YEARLY;INTERVAL=2;BYMONTH=1;BYDAY=SU;BYHOUR=8,9;BYMINUTE=30";
  const object = events(`DTSTART;TZID=America/New_York:19970105T083000\nRRULE:${rule}`);
  assert.deepEqual(localStarts(instancesIn(object, always, utcZone, 10)), [
    ...dates("1997 Jan 5,12,19,26").flatMap((day) => [`${day}T083000`, `${day}T093000`]),
    "19990103T083000",
    "19990103T093000",
  ]);
});
