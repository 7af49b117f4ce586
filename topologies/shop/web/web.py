"""The web front: one HTML page, made of what the api says, on the standard library's http.server.

GET  /          the shop
POST /buy       buy one, then back to the shop
GET  /health    200
"""

import itertools
import json
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT = 8080
API = os.environ.get("API", "http://api:8000")
API_TIMEOUT_S = 5.0
LARGEST_FORM = 4096
POD = socket.gethostname()

served = itertools.count(1)

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>The podnet tea shop</title>
<meta name="viewport" content="width=device-width">
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto;
          padding: 0 1rem; color: #222; background: #faf8f4 }}
  table {{ width: 100%; border-collapse: collapse; background: #fff; border-radius: 8px }}
  th, td {{ padding: .6rem .8rem; text-align: left; border-bottom: 1px solid #eee }}
  .number {{ text-align: right }}
  button {{ border: 0; border-radius: 6px; padding: .3rem .9rem; background: #2f6f4f; color: #fff }}
  button:disabled {{ background: #bbb }}
  footer {{ margin-top: 1.5rem; color: #777; font-size: .9rem }}
  code {{ background: #eee; border-radius: 4px; padding: .1rem .3rem }}
</style>
<h1>The podnet tea shop</h1>
<table><tr><th>Product<th class="number">Price<th class="number">Stock<th class="number">Sold<th>
{rows}</table>
<footer>Served by <code>{web}</code> &rarr; <code>{api}</code> &rarr; <code>{store}</code>.
Request {count} of this web pod.</footer></html>
"""
ROW = """<tr><td>{title}
<td class="number">{price}<td class="number">{stock}<td class="number">{sold}
<td><form method="post" action="/buy"><button name="product" value="{name}"{off}>Buy</button></form>
"""


def ask_api(path: str, order: dict[str, str] | None = None) -> dict[str, object]:
    """Get from the api, or post an order to it."""
    body = None if order is None else json.dumps(order).encode()
    request = urllib.request.Request(API + path, data=body)
    with urllib.request.urlopen(request, timeout=API_TIMEOUT_S) as response:
        answer: dict[str, object] = json.load(response)
        return answer


def render_row(product: dict[str, object]) -> str:
    """Show one product."""
    return ROW.format(
        name=escape(str(product["name"])),
        title=escape(str(product["title"])),
        price=f"{int(str(product['cents'])) / 100:.2f} &euro;",
        stock=product["stock"],
        sold=product["sold"],
        off="" if product["stock"] else " disabled",
    )


def render_page(answer: dict[str, object]) -> str:
    """Show the whole shop, and which pods it came through."""
    products = answer["products"]
    assert isinstance(products, list)
    return PAGE.format(
        rows="".join(render_row(product) for product in products),
        web=escape(POD),
        api=escape(str(answer["api"])),
        store=escape(str(answer["store"])),
        count=next(served),
    )


class Shop(BaseHTTPRequestHandler):
    """Answers browsers."""

    def do_GET(self) -> None:
        """Show the shop."""
        if self.path == "/health":
            self.reply(HTTPStatus.OK, "ok\n", "text/plain")
        elif self.path == "/":
            try:
                self.reply(HTTPStatus.OK, render_page(ask_api("/products")))
            except OSError as error:
                self.reply(
                    HTTPStatus.BAD_GATEWAY, f"The api does not answer: {escape(str(error))}\n"
                )
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Buy one."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/buy" or not length.isdigit() or int(length) > LARGEST_FORM:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        form = urllib.parse.parse_qs(self.rfile.read(int(length)).decode())
        try:
            ask_api("/orders", {"product": form.get("product", [""])[0]})
        except OSError as error:
            sold_out = (
                isinstance(error, urllib.error.HTTPError) and error.code == HTTPStatus.CONFLICT
            )
            if not sold_out:
                self.reply(HTTPStatus.BAD_GATEWAY, f"The order failed: {escape(str(error))}\n")
                return
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log what people ask for; health checks would drown it."""
        if getattr(self, "path", "") != "/health":
            super().log_request(code, size)

    def reply(self, status: HTTPStatus, text: str, kind: str = "text/html; charset=utf-8") -> None:
        """Send a whole answer."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = HTTPServer(("", PORT), Shop)
    print(f"web: listening on port {PORT}, api at {API}", flush=True)
    server.serve_forever()
