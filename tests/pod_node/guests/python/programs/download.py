"""Downloads and uploads over HTTP; arguments: the URL, and how many bytes to send first."""

import hashlib
import sys
import urllib.request

size = int(sys.argv[2])
body = bytes(range(256)) * (size // 256) if size else None
with urllib.request.urlopen(sys.argv[1], data=body) as answer:
    digest = hashlib.sha256()
    received = 0
    while part := answer.read(1 << 16):
        digest.update(part)
        received += len(part)
sys.stdout.write(f"{answer.status} {received} {digest.hexdigest()}\n")
