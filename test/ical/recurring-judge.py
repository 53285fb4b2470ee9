"""Reads cases as lines of JSON, writes what RFC 5545 and RFC 4791 §9.9 make of each: one line of JSON.

A case is {"text": an iCalendar object, "start": …, "end": …, "floating": a time zone}: the answer is the sorted list of
[start, end] in seconds since 1970 of the instances that overlap the range. python3-icalendar reads the object,
python3-dateutil (rruleset's parts) expands the rules on the wall clock, zoneinfo turns wall clocks into instants.
"""
import datetime as real
import itertools
import json
import re
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import dateutil.rrule
from dateutil.rrule import rruleset, rrulestr
from icalendar import Calendar


class Bounded:
    """A rule that never matches is searched to datetime.MAXYEAR: for dateutil that is the year after the range."""
    date, time, datetime, timedelta = real.date, real.time, real.datetime, real.timedelta
    MAXYEAR = 2100


dateutil.rrule.datetime = Bounded
EPOCH = datetime(1970, 1, 1)
DAY = timedelta(days=1)
zones = {}


def zone(tzid):
    if tzid not in zones:
        zones[tzid] = ZoneInfo(tzid)
    return zones[tzid]


def instant(wall, tzid):
    """Seconds since 1970; fold=0 is what RFC 5545 §3.3.5 asks for, in gaps and where a time comes twice."""
    if tzid is None:
        return int((wall - EPOCH).total_seconds())
    return int(wall.replace(tzinfo=zone(tzid)).timestamp())


def wall_of(at, tzid):
    if tzid is None:
        return EPOCH + timedelta(seconds=at)
    return datetime.fromtimestamp(at, zone(tzid)).replace(tzinfo=None)


class Time:
    """A DATE or DATE-TIME: the wall clock, and the zone it is on (None: floating or a date)."""

    def __init__(self, value, params):
        self.is_date = not isinstance(value, datetime)
        if self.is_date:
            value = datetime(value.year, value.month, value.day)
        self.wall = value.replace(tzinfo=None)
        tzid = params.get("TZID")
        is_utc = not self.is_date and value.tzinfo is not None and tzid is None
        self.tzid = None if self.is_date else "UTC" if is_utc else tzid


def first(component, name):
    value = component.get(name)
    if value is None:
        return None
    if isinstance(value, list):
        value = value[0]
    return Time(value.dt, value.params)


def lists(component, name):
    value = component.get(name)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def times(component, name):
    """The values of RDATE or EXDATE: (Time, length or None)."""
    for prop in lists(component, name):
        for item in prop.dts:
            if isinstance(item.dt, tuple):
                begin, end = item.dt
                start = Time(begin, prop.params)
                if isinstance(end, timedelta):
                    yield start, (0, int(end.total_seconds()))
                else:
                    stop = Time(end, prop.params)
                    yield start, (0, instant(stop.wall, stop.tzid) - instant(start.wall, start.tzid))
            else:
                yield Time(item.dt, prop.params), None


def duration_of(text):
    sign, weeks, days, hours, minutes, seconds = re.fullmatch(
        r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text).groups("0")
    if sign == "-":
        return 0, 0
    return int(weeks) * 7 + int(days), int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def length_of(component, start, text):
    """(days on the calendar, exact seconds). RFC 5545 §3.6.1, §3.8.5.3"""
    end = first(component, "DTEND") or first(component, "DUE")
    if end is not None:
        if start.tzid is None or end.tzid is None:
            seconds = int((end.wall - start.wall).total_seconds())
        else:
            seconds = instant(end.wall, end.tzid) - instant(start.wall, start.tzid)
        return 0, seconds
    if text is not None:
        return duration_of(text)
    return (0, 86400) if start.is_date and component.name == "VEVENT" else (0, 0)


def values_in(text, kind, name):
    """The first value of a property, as written, in each component of the kind, in order: icalendar makes a timedelta of a
    DURATION, which loses its days, and does not read weekdays with a number of two digits in an RRULE."""
    found = []
    for body in re.findall(rf"BEGIN:{kind}\r?\n(.*?)END:{kind}", text, re.S):
        match = re.search(rf"^{name}:(\S+)", body, re.M)
        found.append(match.group(1) if match else None)
    return found


def expand(parts, start, last):
    """The wall clocks that a rule without COUNT and UNTIL gives, in order. Three things are put right in dateutil's reading of
    RFC 5545 §3.3.10; test/ical/disagreements.md says why."""
    read = lambda some, begin: rrulestr(";".join(f"{name}={value}" for name, value in some.items()), dtstart=begin)
    if "BYSETPOS" in parts and parts["FREQ"] in ("WEEKLY", "MONTHLY", "YEARLY"):
        return positions(parts, start, last)
    if "BYDAY" not in parts:
        return read(parts, start)
    within_month = parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts
    days = [re.fullmatch(r"([+-]?\d+)?(..)", day).groups() for day in parts["BYDAY"].split(",")]
    days = [(number, day) for number, day in days if number is None or not within_month or abs(int(number)) <= 5]
    kinds = [[number + day for number, day in days if number], [day for number, day in days if not number]]
    found = rruleset()
    for kind in filter(None, kinds):
        found.rrule(read({**parts, "BYDAY": ",".join(kind)}, start))
    return found


def positions(parts, start, last):
    """BYSETPOS chooses from the set of a whole interval, also from that of DTSTART's."""
    weeks = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
    frequency = parts["FREQ"]
    if frequency == "WEEKLY":
        begin = start - (start.weekday() - weeks.index(parts.get("WKST", "MO"))) % 7 * DAY
    else:
        begin = start.replace(day=1) if frequency == "MONTHLY" else start.replace(month=1, day=1)
    rest = {name: value for name, value in parts.items() if name != "BYSETPOS"}
    begin = begin.replace(hour=0, minute=0, second=0)
    for name, value in (("BYHOUR", start.hour), ("BYMINUTE", start.minute), ("BYSECOND", start.second)):
        rest.setdefault(name, str(value))
    # What DTSTART gives to a rule must not come from the earlier beginning.
    if frequency == "WEEKLY" and "BYDAY" not in rest:
        rest["BYDAY"] = weeks[start.weekday()]
    by_day = any(name in rest for name in ("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"))
    if frequency != "WEEKLY" and not by_day:
        rest["BYMONTHDAY"] = str(start.day)
        if frequency == "YEARLY" and "BYMONTH" not in rest:
            rest["BYMONTH"] = str(start.month)
    span = {"WEEKLY": lambda d: (d - begin).days // 7, "MONTHLY": lambda d: (d.year, d.month), "YEARLY": lambda d: d.year}
    numbers = [int(number) for number in parts["BYSETPOS"].split(",")]
    end = last + 370 * DAY
    for _, group in itertools.groupby(itertools.takewhile(lambda d: d <= end, expand(rest, begin, last)), span[frequency]):
        group = list(group)
        chosen = {number - 1 if number > 0 else len(group) + number for number in numbers}
        yield from (wall for i, wall in enumerate(group) if i in chosen and wall >= start)


def rule_starts(text, start, last):
    """Wall clocks of a rule's instances up to `last`; DTSTART is the first of them (§3.8.5.3)."""
    parts = dict(part.split("=") for part in text.split(";"))
    until = parts.pop("UNTIL", None)
    count = parts.pop("COUNT", None)
    # Without UNTIL and COUNT, which are applied here: dateutil compares UNTIL on the wall clock.
    Bounded.MAXYEAR = min(last.year + 2, 9998)
    try:
        rule = expand(parts, start.wall, last)
    except ValueError as problem:
        # INTERVAL and BYMINUTE or BYHOUR never meet: such a rule gives nothing.
        if "empty set" not in str(problem) and "Invalid combination" not in str(problem):
            raise
        return [start.wall]
    limit = None
    if until is not None:
        if len(until) == 8:
            day = datetime.strptime(until, "%Y%m%d")
            limit = instant(day, start.tzid) if start.is_date else instant(day + DAY, start.tzid) - 1
        elif until.endswith("Z"):
            limit = instant(datetime.strptime(until, "%Y%m%dT%H%M%SZ"), "UTC" if start.tzid else None)
        else:
            limit = instant(datetime.strptime(until, "%Y%m%dT%H%M%S"), start.tzid)
    left = int(count) if count is not None else sys.maxsize
    found = [start.wall]
    left -= 1
    for wall in rule:
        if left <= 0 or wall > last:
            break
        if wall == start.wall:
            continue
        if limit is not None and instant(wall, start.tzid) > limit:
            break
        found.append(wall)
        left -= 1
    return found


def judge(case):
    unfolded = re.sub(r"\r?\n[ \t]", "", case["text"])
    calendar = Calendar.from_ical(re.sub(r"(?m)^RRULE:.*\r?\n", "", unfolded))
    floating, begin, end = case["floating"], case["start"], case["end"]
    kind = "VTODO" if "BEGIN:VTODO" in case["text"] else "VEVENT"
    rules = values_in(unfolded, kind, "RRULE")
    components = list(zip(calendar.walk(kind), values_in(unfolded, kind, "DURATION")))
    masters = [pair for pair in components if "RECURRENCE-ID" not in pair[0]]
    overrides = [pair for pair in components if "RECURRENCE-ID" in pair[0]]
    found = []

    def add(wall, tzid, length, component):
        days, seconds = length
        if tzid is not None:
            start = instant(wall, tzid)
            stop = instant(wall + days * DAY, tzid) + seconds if days else start + seconds
        else:
            start = instant(wall, floating)
            stop = instant(wall + days * DAY + timedelta(seconds=seconds), floating)
        if overlaps(start, stop, component):
            found.append([start, stop])

    def overlaps(start, stop, component):
        """RFC 4791 §9.9. A VTODO is told by what its component has: the master, or the override it comes from."""
        if kind == "VEVENT":
            return start < end and (stop > begin or (start == stop and start >= begin))
        if "DUE" in component:
            return (begin < stop or begin <= start) and (end > start or end >= stop)
        if "DURATION" in component:
            return begin <= stop and (end > start or end >= stop)
        return begin <= start and end > start

    replaced, days_replaced, futures = set(), set(), []
    master = masters[0] if masters else None
    start = first(master[0], "DTSTART") if master else None

    def key(time):
        if start is not None and start.tzid is None:
            return instant(time.wall, None)
        return instant(time.wall, time.tzid or (start.tzid if start else None))

    for component, text in overrides:
        identity = first(component, "RECURRENCE-ID")
        if start is not None and identity.is_date and not start.is_date:
            days_replaced.add(identity.wall.date())
        else:
            replaced.add(key(identity))
        own = first(component, "DTSTART")
        length = length_of(component, own, text)
        add(own.wall, own.tzid, length, component)
        if component["RECURRENCE-ID"].params.get("RANGE") == "THISANDFUTURE":
            futures.append((key(identity), identity, own, length, component))
    futures.sort(key=lambda future: future[0])
    if master is not None:
        component, text = master
        length = length_of(component, start, text)
        # What begins after the range does not overlap it, but what THISANDFUTURE moves back into it.
        last = wall_of(end, start.tzid or floating) + (0.1 if not futures else 30 if start.is_date else 3) * DAY
        chosen = {instant(start.wall, start.tzid): (start.wall, start.tzid, None)}
        for rule in filter(None, rules):
            for wall in rule_starts(rule, start, last):
                chosen.setdefault(instant(wall, start.tzid), (wall, start.tzid, None))
        for time, own in times(component, "RDATE"):
            previous = chosen.get(key(time))
            if previous is None or (own is not None and previous[2] is None):
                chosen[key(time)] = (time.wall, time.tzid, own)
        removed, days_removed = set(), set()
        for time, _ in times(component, "EXDATE"):
            if time.is_date and not start.is_date:
                days_removed.add(time.wall.date())
            else:
                removed.add(key(time))
        for at, (wall, tzid, own) in chosen.items():
            if at in removed or at in replaced or wall.date() in days_removed or wall.date() in days_replaced:
                continue
            future = next((f for f in reversed(futures) if f[0] < at), None)
            if future is None:
                add(wall, tzid, own or length, component)
                continue
            # §3.8.4.4: later instances move by the difference of the override's start and its RECURRENCE-ID, on the clock.
            _, identity, moved, moved_length, source = future
            if moved.tzid is None:
                add(wall + (moved.wall - identity.wall), None, moved_length, source)
            else:
                original = wall_of(instant(identity.wall, identity.tzid), moved.tzid)
                add(wall_of(at, moved.tzid) + (moved.wall - original), moved.tzid, moved_length, source)
    return sorted(found)


for line in sys.stdin:
    try:
        answer = judge(json.loads(line))
    except Exception as problem:
        answer = f"{type(problem).__name__}: {problem}"
    print(json.dumps(answer), flush=True)
