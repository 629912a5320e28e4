"""Try TCP connections concurrently: reads a JSON list of [name, host, port], prints the names that opened."""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

TIMEOUT_SECONDS = 2


def can_connect(target: tuple[str, str, int]) -> bool:
    try:
        socket.create_connection((target[1], target[2]), timeout=TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


targets = json.load(sys.stdin)
with ThreadPoolExecutor(len(targets)) as pool:
    print(
        json.dumps(
            [
                target[0]
                for target, open_ in zip(targets, pool.map(can_connect, targets), strict=True)
                if open_
            ]
        )
    )
