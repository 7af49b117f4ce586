"""A web client of the standard library.

`http_client.py new ADDRESS PORT SECONDS`   a connection for each request
`http_client.py keep ADDRESS PORT SECONDS`  one connection for all of them
`http_client.py sweep ADDRESS COUNT PORT`   one request each to ADDRESS and the next ones

Prints one line of JSON: how many requests were answered, and in how many seconds.
"""

import http.client
import ipaddress
import json
import sys
import time
from collections.abc import Callable

WARM_UP = 50


def ask(connection: http.client.HTTPConnection) -> None:
    """Make one request and read the whole answer."""
    connection.request("GET", "/")
    response = connection.getresponse()
    if response.status != 200 or not response.read():
        raise SystemExit(f"unexpected answer {response.status}")


def ask_anew(address: str, port: int) -> None:
    """Make one request on its own connection."""
    connection = http.client.HTTPConnection(address, port)
    ask(connection)
    connection.close()


def repeat(request: Callable[[], None], seconds: float) -> tuple[int, float]:
    """Call `request` for a while, after a warm-up."""
    for _ in range(WARM_UP):
        request()
    count = 0
    begin = now = time.perf_counter()
    while now - begin < seconds:
        request()
        count += 1
        now = time.perf_counter()
    return count, now - begin


def sweep(first: str, count: int, port: int) -> tuple[int, float]:
    """Ask each of `count` addresses once."""
    begin = time.perf_counter()
    for offset in range(count):
        ask_anew(str(ipaddress.IPv4Address(first) + offset), port)
    return count, time.perf_counter() - begin


def main() -> None:
    """Run the way that the first argument names."""
    mode, address = sys.argv[1:3]
    if mode == "sweep":
        count, seconds = sweep(address, int(sys.argv[3]), int(sys.argv[4]))
    elif mode == "new":
        port = int(sys.argv[3])
        count, seconds = repeat(lambda: ask_anew(address, port), float(sys.argv[4]))
    else:
        connection = http.client.HTTPConnection(address, int(sys.argv[3]))
        count, seconds = repeat(lambda: ask(connection), float(sys.argv[4]))
    sys.stdout.write(json.dumps({"requests": count, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
