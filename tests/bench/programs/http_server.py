"""A web server of the standard library, as anyone would write it: `http_server.py PORT`.

`http_server.py -` stops where it would listen, for a runtime without sockets.
"""

import http.server
import os
import sys

BODY = b"hello from here\n"


class Hello(http.server.BaseHTTPRequestHandler):
    """Answers every GET with the same few bytes and keeps the connection."""

    protocol_version = "HTTP/1.1"
    # Headers and body are two writes: Nagle's algorithm and a delayed acknowledgement would put
    # 40 ms between them on a real network stack.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer one request."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the log empty: printing is not what is measured."""


def say(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Listen, say where, and serve for ever."""
    if sys.argv[1] == "-":
        say("listening nowhere")
        os._exit(0)
    server = http.server.HTTPServer(("", int(sys.argv[1])), Hello)
    say(f"listening {server.server_address[1]}")
    server.serve_forever()


if __name__ == "__main__":
    main()
