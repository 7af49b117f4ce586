"""Asks the server twice a second, and prints who answered and how long it took."""

import os
import time
import urllib.request

SERVER = os.environ.get("SERVER", "http://server:8000")
TIMEOUT_S = 3.0
PAUSE_S = 0.5

while True:
    begin = time.monotonic()
    try:
        with urllib.request.urlopen(SERVER, timeout=TIMEOUT_S) as response:
            outcome = response.read().decode().strip()
    except OSError as error:
        outcome = f"failed: {error}"
    print(f"{(time.monotonic() - begin) * 1000:6.0f} ms  {outcome}", flush=True)
    time.sleep(PAUSE_S)
