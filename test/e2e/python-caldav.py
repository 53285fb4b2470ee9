"""Drives a server with the python-caldav library: argv URL, user, password [digest]. Ends with 0 when every claim holds."""

import sys
from datetime import datetime, timezone

import caldav
import requests

url, user, password = sys.argv[1:4]
digest = len(sys.argv) > 4 and sys.argv[4] == "digest"


def event(uid, start, summary):
    return "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//caldavd//python//EN",
            "BEGIN:VEVENT",
            "UID:" + uid,
            "DTSTAMP:20261101T080000Z",
            "DTSTART:" + start,
            "DURATION:PT1H",
            "SUMMARY:" + summary,
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )


def claim(what, truth):
    print(("ok: " if truth else "FAILED: ") + what, flush=True)
    if not truth:
        sys.exit(1)


def search(calendar, first, last, **more):
    found = calendar.date_search(start=first, end=last, **more)
    return sorted(str(one.vobject_instance.vevent.summary.value) for one in found)


auth = requests.auth.HTTPDigestAuth(user, password) if digest else None
client = caldav.DAVClient(url=url, username=user, password=password, auth=auth)
principal = client.principal()
claim("the principal is found from " + url, str(principal.url).endswith("/"))
claim("the principal has a home", principal.calendar_home_set is not None)
claim("the default calendar is listed", "calendar" in [c.url.path.split("/")[-2] for c in principal.calendars()])

calendar = principal.make_calendar(name="Python", cal_id="python")
claim("a calendar is made", calendar.url in [c.url for c in principal.calendars()])
claim("its name is kept", str(calendar.get_properties([caldav.elements.dav.DisplayName()]).popitem()[1]) == "Python")

december = (datetime(2026, 12, 1, tzinfo=timezone.utc), datetime(2027, 1, 1, tzinfo=timezone.utc))
january = (datetime(2027, 1, 1, tzinfo=timezone.utc), datetime(2027, 2, 1, tzinfo=timezone.utc))
meeting = calendar.save_event(event("py-1", "20261210T090000Z", "Meeting"))
calendar.save_event(event("py-2", "20270110T090000Z", "Later"))
claim("events are saved", len(calendar.events()) == 2)
claim("an event is found by date", search(calendar, *december) == ["Meeting"])
claim("and another one by another date", search(calendar, *january) == ["Later"])
claim("an event is found by UID", calendar.event_by_uid("py-1").url == meeting.url)

weekly = calendar.save_event(event("py-3", "20261201T120000Z", "Weekly").replace("SUMMARY", "RRULE:FREQ=WEEKLY;COUNT=3\r\nSUMMARY"))
claim("a series is found where an instance is", search(calendar, *december, expand=False) == ["Meeting", "Weekly"])
expanded = [one.data for one in calendar.date_search(*december, expand=True) if "Weekly" in one.data]
claim("a series is expanded by the server", [text.count("BEGIN:VEVENT") for text in expanded] == [3])
claim("without its rule", "RRULE" not in expanded[0])
weekly.delete()

meeting.vobject_instance.vevent.summary.value = "Moved"
meeting.save()
claim("a change arrives", "SUMMARY:Moved" in calendar.event_by_uid("py-1").data)
claim("and is found", search(calendar, *december) == ["Moved"])

token = calendar.objects_by_sync_token(load_objects=False)
meeting.delete()
claim("a removed event is gone", search(calendar, *december) == [])
updated, deleted = token.sync()
claim("synchronising tells the removal", len(list(deleted)) == 1 and len(list(updated)) == 0)
try:
    calendar.event_by_uid("py-1")
    claim("a removed event is not found by UID", False)
except caldav.error.NotFoundError:
    claim("a removed event is not found by UID", True)

task = calendar.save_todo(
    event("py-todo", "20261210T090000Z", "Write").replace("VEVENT", "VTODO").replace("DURATION:PT1H", "DUE:20261224T090000Z")
)
claim("a task is saved", [str(t.vobject_instance.vtodo.summary.value) for t in calendar.todos()] == ["Write"])
task.complete()
claim("a completed task is left out", calendar.todos() == [])
claim("and is there when asked for", len(calendar.todos(include_completed=True)) == 1)

calendar.delete()
claim("a calendar is removed", "python" not in [c.url.path.split("/")[-2] for c in principal.calendars()])
