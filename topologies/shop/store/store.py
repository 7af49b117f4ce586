"""The store: keeps the shop's products in SQLite and answers over a protocol of its own.

A message is four bytes of length, most significant first, and that many bytes of JSON. Each request
gets one answer; a connection carries any number of them.

    {"do": "list"}                      -> {"ok": true, "products": [...], "pod": "store-1"}
    {"do": "buy", "product": "tea"}     -> {"ok": true, "left": 11, "pod": "store-1"}
    anything that cannot be done        -> {"ok": false, "error": "...", "pod": "store-1"}
"""

import asyncio
import json
import os
import socket
import sqlite3
import struct

PORT = 9000
DATABASE = os.environ.get("DATABASE", "/data/shop.db")
LENGTH = struct.Struct("!I")
LARGEST_REQUEST = 64 * 1024

SCHEMA = """
CREATE TABLE IF NOT EXISTS products (
    name TEXT PRIMARY KEY, title TEXT NOT NULL, cents INTEGER NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sales (
    number INTEGER PRIMARY KEY, product TEXT NOT NULL REFERENCES products, cents INTEGER NOT NULL);
"""
FIRST_STOCK = [
    ("tea", "Oolong tea, 100 g", 1190, 24),
    ("cup", "Porcelain cup", 850, 12),
    ("pot", "Cast iron pot", 4900, 5),
    ("tin", "Tea tin", 640, 30),
]


class OutOfStockError(Exception):
    """The shop has none left, or never had the product."""


class Store:
    """The shop's products and sales."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path)
        self._database.row_factory = sqlite3.Row
        with self._database:
            self._database.executescript(SCHEMA)
            self._database.executemany(
                "INSERT OR IGNORE INTO products VALUES (?, ?, ?, ?)", FIRST_STOCK
            )

    def products(self) -> list[dict[str, object]]:
        """Return every product with what is left and how often it was sold."""
        rows = self._database.execute(
            "SELECT name, title, cents, stock,"
            " (SELECT count(*) FROM sales WHERE product = name) AS sold"
            " FROM products ORDER BY title"
        )
        return [dict(row) for row in rows]

    def buy(self, product: str) -> int:
        """Sell one piece and return how many are left."""
        with self._database:
            row = self._database.execute(
                "UPDATE products SET stock = stock - 1 WHERE name = ? AND stock > 0"
                " RETURNING stock, cents",
                (product,),
            ).fetchone()
            if row is None:
                raise OutOfStockError(f"no {product!r} left")
            self._database.execute(
                "INSERT INTO sales (product, cents) VALUES (?, ?)", (product, row["cents"])
            )
        return int(row["stock"])


def answer(store: Store, message: bytes) -> dict[str, object]:
    """Do what one request asks for."""
    try:
        request = json.loads(message)
        if request["do"] == "list":
            return {"ok": True, "products": store.products()}
        if request["do"] == "buy":
            return {"ok": True, "left": store.buy(str(request["product"]))}
    except OutOfStockError as error:
        return {"ok": False, "error": str(error)}
    except (ValueError, TypeError, KeyError):
        return {"ok": False, "error": "not a request"}
    return {"ok": False, "error": "unknown request"}


async def serve_connection(
    store: Store, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the requests of one connection until its end."""
    try:
        while True:
            (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            if length > LARGEST_REQUEST:
                return
            reply = answer(store, await reader.readexactly(length))
            reply["pod"] = socket.gethostname()
            body = json.dumps(reply).encode()
            writer.write(LENGTH.pack(len(body)) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client went away; so do we
    finally:
        writer.close()


async def main() -> None:
    """Open the database and serve for ever."""
    store = Store(DATABASE)
    server = await asyncio.start_server(
        lambda reader, writer: serve_connection(store, reader, writer), "0.0.0.0", PORT
    )
    print(f"store: {len(store.products())} products on port {PORT}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
