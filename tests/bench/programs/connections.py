"""Many connections that nobody uses.

`connections.py accept PORT`           takes connections and reads one byte of each; answers a "!"
`connections.py open ADDRESS PORT N`   opens N connections, then makes a round trip on the last
"""

import json
import socket
import sys
import time


def accept(port: int) -> None:
    """Keep every connection."""
    listener = socket.create_server(("", port), backlog=1024)
    sys.stdout.write(f"listening {port}\n")
    sys.stdout.flush()
    kept = []
    while True:
        kept.append(listener.accept()[0])
        if kept[-1].recv(1) == b"!":
            kept[-1].sendall(b"!")


def open_many(address: str, port: int, count: int) -> None:
    """Open connections, one after the other, each with one byte; the last asks for an answer."""
    kept = []
    begin = time.perf_counter()
    for number in range(count):
        kept.append(socket.create_connection((address, port)))
        kept[-1].sendall(b"!" if number == count - 1 else b".")
    answer = kept[-1].recv(1)
    report = {"connections": len(kept), "seconds": time.perf_counter() - begin}
    sys.stdout.write(json.dumps(report | {"answered": len(answer)}) + "\n")
    sys.stdout.flush()
    time.sleep(3600)


if sys.argv[1] == "accept":
    accept(int(sys.argv[2]))
else:
    open_many(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
