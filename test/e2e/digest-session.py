"""Digest with python3-requests: URL, user, password [save|use FILE]. Ends with 0 when all answers are 207. `save` keeps the
nonce in a file; `use` goes on with it, and prints the status of the very first answer."""

import json
import sys

import requests
from requests.auth import HTTPDigestAuth

url, user, password = sys.argv[1:4]
what, path = sys.argv[4:6] if len(sys.argv) > 4 else ("", "")
auth = HTTPDigestAuth(user, password)
if what == "use":
    auth.init_per_thread_state()
    with open(path) as file:
        kept = json.load(file)
    auth._thread_local.last_nonce = kept["nonce"]
    auth._thread_local.nonce_count = kept["count"]
    auth._thread_local.chal = kept["challenge"]
first = None
sessions = []
for number in range(6):
    # A connection each, all of them open to the end: they are shared out to both workers.
    session = requests.Session()
    sessions.append(session)
    answer = session.request("PROPFIND", url, auth=auth, headers={"Depth": "0"})
    first = first or (answer.history[0] if answer.history else answer).status_code
    if answer.status_code != 207:
        print("answer %d: %d" % (number, answer.status_code))
        sys.exit(1)
print("first answer: %d" % first)
if what == "save":
    local = auth._thread_local
    with open(path, "w") as file:
        json.dump({"nonce": local.last_nonce, "count": local.nonce_count, "challenge": local.chal}, file)
