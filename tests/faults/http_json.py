"""HTTP with JSON, for whoever has to live with answers that do not come."""

import http.client
import json
import time
import urllib.error
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# What a connection that is cut, half-open or refused comes to.
BROKEN = (OSError, http.client.HTTPException, ValueError)


def call(method: str, url: str, key: str = "", body: object = None, patience: float = 30) -> tuple[int, dict]:
    """Status and JSON; one of BROKEN when there is no answer."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with OPENER.open(request, timeout=patience) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read() or b"null")


def must(method: str, url: str, key: str = "", body: object = None, patience: float = 30) -> dict:
    """What is answered to a call that has to succeed."""
    status, answer = call(method, url, key, body, patience)
    if status >= 300:
        raise RuntimeError(f"{method} {url.split('?')[0]}: {status} {answer}")
    return answer


def eventually(what: str, patience: float, ask, every: float = 0.1):
    """Asks until there is an answer; what is broken is asked again."""
    deadline, last = time.monotonic() + patience, None
    while time.monotonic() < deadline:
        try:
            answer = ask()
            if answer:
                return answer
        except (*BROKEN, RuntimeError) as error:
            last = error
        time.sleep(every)
    raise TimeoutError(f"{what}: not within {patience:.0f} s; {last or ''}")
