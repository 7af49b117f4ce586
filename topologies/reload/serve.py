"""Serves what `site/page.py` says; with RELOAD set it takes a changed page up by itself."""

import importlib
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SITE = "/app/site"
PAGE = f"{SITE}/page.py"

sys.dont_write_bytecode = True  # a page may change twice within a second
sys.path.insert(0, SITE)
while not os.path.exists(PAGE):  # "podnet watch" brings it
    time.sleep(0.1)
import page  # noqa: E402

loaded = os.stat(PAGE).st_mtime_ns


class Handler(BaseHTTPRequestHandler):
    """Answers with the page's text."""

    def do_GET(self) -> None:
        """Answer, with the newest page."""
        global loaded
        if os.environ.get("RELOAD") and os.stat(PAGE).st_mtime_ns != loaded:
            loaded = os.stat(PAGE).st_mtime_ns
            importlib.invalidate_caches()
            importlib.reload(page)
        body = page.text().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


print("serving", flush=True)
HTTPServer(("", 8000), Handler).serve_forever()
