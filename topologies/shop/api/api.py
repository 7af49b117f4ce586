"""The api: JSON over HTTP in front of the store, with nothing but asyncio streams.

GET  /products                     the products, from the store
POST /orders {"product": "tea"}    buy one
GET  /health                       200 while the store answers
"""

import asyncio
import itertools
import json
import os
import socket
import struct
from http import HTTPStatus

PORT = 8000
STORE_HOST, _, STORE_PORT = os.environ.get("STORE", "store:9000").partition(":")
LENGTH = struct.Struct("!I")
LARGEST_BODY = 64 * 1024
STORE_TIMEOUT_S = 2.0

served = itertools.count(1)

Answer = tuple[HTTPStatus, dict[str, object]]


class BadRequestError(Exception):
    """The client sent something that is not the HTTP spoken here."""


async def ask_store(request: dict[str, object]) -> dict[str, object]:
    """Send one request to the store and return its answer."""
    async with asyncio.timeout(STORE_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(STORE_HOST, int(STORE_PORT))
        try:
            body = json.dumps(request).encode()
            writer.write(LENGTH.pack(len(body)) + body)
            (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            reply: dict[str, object] = json.loads(await reader.readexactly(length))
            return reply
        finally:
            writer.close()


async def answer(method: str, path: str, body: bytes) -> Answer:
    """Route one request."""
    match method, path:
        case "GET", "/health":
            reply = await ask_store({"do": "list"})
            return HTTPStatus.OK, {"ok": reply["ok"]}
        case "GET", "/products":
            reply = await ask_store({"do": "list"})
            return HTTPStatus.OK, {"products": reply["products"], "store": reply["pod"]}
        case "POST", "/orders":
            reply = await ask_store({"do": "buy", "product": wanted_product(body)})
            status = HTTPStatus.CREATED if reply["ok"] else HTTPStatus.CONFLICT
            return status, reply
    return HTTPStatus.NOT_FOUND, {"error": f"no {method} {path} here"}


def wanted_product(body: bytes) -> str:
    """Take the product's name out of an order."""
    try:
        return str(json.loads(body)["product"])
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequestError('an order looks like {"product": "tea"}') from error


async def read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
    """Return the method, path and body of the next request; None at the end of the connection."""
    line = await reader.readline()
    if not line:
        return None
    words = line.decode("latin-1").split()
    if len(words) != 3:
        raise BadRequestError("that is no request line")
    length = 0
    while (header := await reader.readline()).strip():
        name, _, value = header.decode("latin-1").partition(":")
        if name.lower() == "content-length":
            if not value.strip().isdigit() or int(value) > LARGEST_BODY:
                raise BadRequestError("the body is too long")
            length = int(value)
    return words[0], words[1], await reader.readexactly(length)


def render(answer: Answer) -> bytes:
    """Write an answer as HTTP."""
    status, content = answer
    body = json.dumps({**content, "api": socket.gethostname(), "request": next(served)}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def respond(method: str, path: str, body: bytes) -> Answer:
    """Answer a request; a store that does not is the gateway's error, not a lost connection."""
    try:
        return await answer(method, path, body)
    except BadRequestError as error:
        return HTTPStatus.BAD_REQUEST, {"error": str(error)}
    except (OSError, asyncio.IncompleteReadError) as error:
        return HTTPStatus.BAD_GATEWAY, {"error": f"the store does not answer: {error!r}"}


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection, one after the other."""
    try:
        while (request := await read_request(reader)) is not None:
            writer.write(render(await respond(*request)))
            await writer.drain()
    except BadRequestError as error:
        writer.write(render((HTTPStatus.BAD_REQUEST, {"error": str(error)})))
    except (OSError, ValueError, asyncio.IncompleteReadError):
        pass  # the client went away, or sent a line without end
    finally:
        writer.close()


async def main() -> None:
    """Serve for ever."""
    server = await asyncio.start_server(serve_connection, "0.0.0.0", PORT)
    print(f"api: listening on port {PORT}, store at {STORE_HOST}:{STORE_PORT}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
