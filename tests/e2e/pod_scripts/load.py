"""Ask questions until a line arrives on standard input; then print the results as JSON.

Arguments:

1. the URL;
2. an access token;
3. text that every answer must contain;
4. the number of concurrent users;
5. the seconds between an answer and the next question.

Half of the users open a connection for each question.
"""

import asyncio
import json
import sys
import time
from collections import Counter

import httpx

URL, TOKEN, EXPECTED, USERS, PAUSE = sys.argv[1:]
QUESTION = "What is the approved marketing budget for 2026?"

outcomes: Counter[str] = Counter()
seconds: list[float] = []


async def ask(http: httpx.AsyncClient, headers: dict[str, str]) -> str:
    try:
        response = await http.post(URL, json={"question": QUESTION}, headers=headers)
    except httpx.HTTPError as exc:
        return f"{time.time():.1f} {type(exc).__name__}: {exc}"
    if response.status_code == httpx.codes.OK and EXPECTED in response.text:
        return "ok"
    return f"{time.time():.1f} {response.status_code}: {response.text[:300]}"


async def ask_until_stopped(number: int, stop: asyncio.Event) -> None:
    # Otherwise the cache would answer all questions but the first.
    headers = {"Authorization": f"Bearer {TOKEN}", "Cache-Control": "no-store"}
    if number % 2:
        headers["Connection"] = "close"
    async with httpx.AsyncClient(timeout=60) as http:
        while not stop.is_set():
            began = time.perf_counter()
            outcomes[await ask(http, headers)] += 1
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(float(PAUSE))


async def main() -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(int(USERS)):
            group.create_task(ask_until_stopped(number, stop))
        await asyncio.to_thread(sys.stdin.readline)
        stop.set()


asyncio.run(main())
ok = outcomes.pop("ok", 0)
print(json.dumps({"ok": ok, "failed": dict(outcomes.most_common(20)), "slowest": round(max(seconds), 2)}))
