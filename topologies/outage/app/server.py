"""Answers with the name of the pod.

GET  /          the name
GET  /health    200
"""

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT = 8000
POD = socket.gethostname()


class Handler(BaseHTTPRequestHandler):
    """Gives every request the same answer."""

    def do_GET(self) -> None:
        body = f"{POD}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; the client tells what happens."""


HTTPServer(("", PORT), Handler).serve_forever()
