"""Programs of the standard library, unmodified, in pods that talk to each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pod_node.spec import Mount
from tests.pod_node.guests.python.conftest import PodNetwork

pytestmark = pytest.mark.parametrize("pods", [1, 2], indirect=True, ids=["one node", "two nodes"])


async def test_http_server_answers_urllib_and_http_client(pods: PodNetwork) -> None:
    server = pods.run(
        """
        from http.server import BaseHTTPRequestHandler, HTTPServer
        class Hello(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def do_GET(self):
                self.reply(self.path.encode())
            def do_POST(self):
                self.reply(self.rfile.read(int(self.headers["Content-Length"]))[::-1])
            def reply(self, body):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
        server = HTTPServer(("", 80), Hello)
        print("listening")
        server.serve_forever()
        """,
        name="web",
    )
    await server.printed("listening")
    client = pods.run(
        """
        import http.client, urllib.request
        print(urllib.request.urlopen("http://web/first", timeout=10).read())
        kept = http.client.HTTPConnection("web", 80, timeout=10)
        for number in range(3):
            kept.request("POST", "/", body=b"abc" * number)
            print(kept.getresponse().read())
        """
    )
    assert (await client.finished()).split() == ["b'/first'", "b''", "b'cba'", "b'cbacba'"]
    assert f"{client.address} - - [" in server.errors


async def test_python_m_http_server_serves_a_folder_without_threads(
    pods: PodNetwork, tmp_path: Path
) -> None:
    (tmp_path / "page.txt").write_text("a page\n")
    server = pods.boot(
        "-m", "http.server", "8000", "--directory", "/site",
        name="files", mounts=(Mount(source=tmp_path, target="/site", read_only=True),),
    )  # fmt: skip
    await server.printed("Serving HTTP")
    client = pods.run(
        """
        from urllib.request import urlopen
        print(urlopen("http://files:8000/page.txt").read(), b"page.txt" in urlopen("http://files:8000/").read())
        """
    )
    assert (await client.finished()).strip() == "b'a page\\n' True"
    assert server.errors.count("has no threads") == 1


async def test_asyncio_streams_find_their_peer_by_name(pods: PodNetwork) -> None:
    server = pods.run(
        """
        import asyncio
        async def serve(reader, writer):
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()
        async def main():
            server = await asyncio.start_server(serve, "0.0.0.0", 8000)
            print("listening")
            await server.serve_forever()
        asyncio.run(main())
        """,
        name="api",
    )
    await server.printed("listening")
    client = pods.run(
        """
        import asyncio
        async def ask(number):
            reader, writer = await asyncio.open_connection("api", 8000)
            writer.write(b"line %d\\n" % number)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer
        async def main():
            answers = await asyncio.gather(*[ask(number) for number in range(50)])
            print(answers == [b"LINE %d\\n" % number for number in range(50)])
        asyncio.run(main())
        """
    )
    assert (await client.finished()).strip() == "True"


async def test_asyncio_moves_megabytes_both_ways_at_once(pods: PodNetwork) -> None:
    server = pods.run(
        """
        import asyncio
        async def serve(reader, writer):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()
        async def main():
            server = await asyncio.start_server(serve, "", 7)
            print("listening")
            await server.serve_forever()
        asyncio.run(main())
        """,
        name="echo",
    )
    await server.printed("listening")
    client = pods.run(
        """
        import asyncio, hashlib
        payload = bytes(range(256)) * 16384
        async def main():
            reader, writer = await asyncio.open_connection("echo", 7)
            async def send():
                writer.write(payload)
                await writer.drain()
                writer.write_eof()
            sending = asyncio.create_task(send())
            print(await reader.read() == payload)
            await sending
        asyncio.run(main())
        """
    )
    assert (await client.finished()).strip() == "True"


async def test_socketserver_with_and_without_its_thread_mixin(pods: PodNetwork) -> None:
    server = pods.run(
        """
        import socketserver
        class Reverse(socketserver.StreamRequestHandler):
            def handle(self):
                for line in self.rfile:
                    self.wfile.write(line.strip()[::-1] + b"\\n")
        class Threading(socketserver.ThreadingMixIn, socketserver.TCPServer):
            pass
        plain = socketserver.TCPServer(("", 7001), Reverse)
        threading = Threading(("", 7002), Reverse)
        print("listening")
        plain.handle_request()
        threading.handle_request()
        threading.handle_request()
        """,
        name="reverse",
    )
    await server.printed("listening")
    client = pods.run(
        """
        import socket
        for port in 7001, 7002, 7002:
            with socket.create_connection(("reverse", port)) as connection:
                connection.sendall(b"abc\\n")
                print(connection.makefile().readline().strip())
        """
    )
    assert (await client.finished()).split() == ["cba"] * 3
    await server.finished()
    assert server.errors.count("has no threads") == 1


async def test_xmlrpc_calls_across_pods(pods: PodNetwork) -> None:
    server = pods.run(
        """
        from xmlrpc.server import SimpleXMLRPCServer
        server = SimpleXMLRPCServer(("", 8080), logRequests=False, allow_none=True)
        server.register_function(pow)
        server.register_introspection_functions()
        print("listening")
        server.serve_forever()
        """,
        name="rpc",
    )
    await server.printed("listening")
    client = pods.run(
        """
        from xmlrpc.client import Fault, ServerProxy
        with ServerProxy("http://rpc:8080") as rpc:
            print(rpc.pow(2, 10), rpc.system.listMethods()[0])
            try:
                rpc.no_such_function()
            except Fault as fault:
                print("not supported" in fault.faultString)
        """
    )
    assert (await client.finished()).split() == ["1024", "pow", "True"]


async def test_selectors_serve_many_connections_in_one_loop(pods: PodNetwork) -> None:
    server = pods.run(
        """
        import selectors, socket
        selector = selectors.DefaultSelector()
        listener = socket.create_server(("", 7))
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
        print(type(selector).__name__, "listening")
        open_connections = seen = 0
        while not seen or open_connections:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    connection.setblocking(False)
                    selector.register(connection, selectors.EVENT_READ)
                    open_connections += 1
                    seen += 1
                elif data := key.fileobj.recv(100):
                    key.fileobj.send(data)
                else:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    open_connections -= 1
        print("served", seen)
        """,
        name="echo",
    )
    await server.printed("listening")
    client = pods.run(
        """
        import socket
        connections = [socket.create_connection(("echo", 7)) for _ in range(40)]
        for number, connection in enumerate(connections):
            connection.sendall(b"%d" % number)
        print(all(c.recv(10) == b"%d" % n for n, c in enumerate(connections)))
        """
    )
    assert (await client.finished()).strip() == "True"
    assert "served 40" in await server.finished()


async def test_sqlite_keeps_its_data_in_a_mounted_folder(pods: PodNetwork, tmp_path: Path) -> None:
    mount = (Mount(source=tmp_path, target="/data"),)
    code = """
        import json, sqlite3
        database = sqlite3.connect("/data/kept.db")
        database.execute("CREATE TABLE IF NOT EXISTS visits (number INTEGER PRIMARY KEY)")
        with database:
            database.execute("INSERT INTO visits DEFAULT VALUES")
        other = sqlite3.connect("/data/kept.db", timeout=0)
        database.execute("BEGIN IMMEDIATE")
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            locked = str(error)
        print(json.dumps([
            database.execute("SELECT count(*) FROM visits").fetchone()[0],
            database.execute("PRAGMA journal_mode").fetchone()[0],
            locked,
        ]))
        """
    first = json.loads(await pods.run(code, mounts=mount).finished())
    second = json.loads(await pods.run(code, mounts=mount).finished())
    assert first == [1, "delete", "database is locked"]
    assert second == [2, "delete", "database is locked"]


async def test_names_resolve_to_addresses_and_unknown_ones_do_not(pods: PodNetwork) -> None:
    pod = pods.run(
        """
        import json, socket
        def unknown(call, *arguments):
            try:
                return call(*arguments)
            except socket.gaierror as error:
                return [error.errno == socket.EAI_NONAME, error.strerror]
        print(json.dumps([
            socket.gethostname(),
            socket.getfqdn(),
            socket.gethostbyname("me"),
            socket.gethostbyname_ex("me"),
            socket.gethostbyaddr(socket.gethostbyname("me"))[0],
            socket.getaddrinfo("me", 80, type=socket.SOCK_STREAM)[0][4],
            [name for _, name in socket.if_nameindex()],
            unknown(socket.gethostbyname, "nobody"),
            unknown(socket.create_connection, ("nobody", 80)),
            unknown(socket.getaddrinfo, "no/body", 80),
        ]))
        """,
        name="me",
    )
    refused = [True, "Name or service not known"]
    assert json.loads(await pod.finished()) == [
        "me", "me", pod.address, ["me", [], [pod.address]], "me", [pod.address, 80],
        ["lo", "eth0"], refused, refused, refused,
    ]  # fmt: skip


async def test_addresses_lead_back_to_names(pods: PodNetwork) -> None:
    other = pods.run("import time; time.sleep(3600)", name="other")
    pod = pods.run(
        f"""
        import json, socket
        def unknown(call, *arguments):
            try:
                return call(*arguments)
            except OSError as error:
                return [type(error).__name__, error.errno]
        print(json.dumps([
            socket.gethostbyaddr("{other.address}"),
            socket.gethostbyaddr("other")[0],
            socket.getfqdn("{other.address}"),
            socket.getnameinfo(("{other.address}", 80), 0),
            socket.getnameinfo(("{other.address}", 81), socket.NI_NUMERICHOST),
            socket.getnameinfo(("192.0.2.1", 443), 0),
            socket.gethostbyaddr("127.0.0.1")[0],
            unknown(socket.gethostbyaddr, "192.0.2.1"),
            unknown(socket.getnameinfo, ("192.0.2.1", 1), socket.NI_NAMEREQD),
            open("/net/hosts").read(),
        ]))
        """,
        name="me",
    )
    hosts = f"127.0.0.1 localhost\n{pod.address} me\n{other.address} other\n"
    assert json.loads(await pod.finished()) == [
        ["other", [], [other.address]], "other", "other", ["other", "http"],
        [other.address, "81"], ["192.0.2.1", "https"], "localhost", ["herror", 1],
        ["gaierror", -2], hosts,
    ]  # fmt: skip
    other.kill()


async def test_a_connection_shows_the_same_addresses_on_both_sides(pods: PodNetwork) -> None:
    server = pods.run(
        """
        import socket
        listener = socket.create_server(("", 7))
        print("listening")
        connection, peer = listener.accept()
        print(peer == connection.getpeername(), *peer, *connection.getsockname())
        connection.recv(1)
        """,
        name="far",
    )
    await server.printed("listening")
    client = pods.run(
        """
        import socket
        connection = socket.create_connection(("far", 7))
        print(*connection.getsockname(), *connection.getpeername())
        """
    )
    near = await client.finished()
    assert await server.finished() == f"listening\nTrue {near}"
    assert near.split()[0] == client.address
    assert near.split()[2:] == [server.address, "7"]


async def test_a_killed_pod_resets_its_connections(pods: PodNetwork) -> None:
    server = pods.run(
        """
        import socket
        listener = socket.create_server(("", 7))
        print("listening")
        connection, _ = listener.accept()
        connection.sendall(b"hello")
        connection.recv(1)
        """,
        name="mortal",
    )
    await server.printed("listening")
    client = pods.run(
        """
        import socket
        connection = socket.create_connection(("mortal", 7))
        print(connection.recv(5))
        try:
            print(connection.recv(1))
        except ConnectionResetError as error:
            print("reset")
        try:
            socket.create_connection(("mortal", 7))
        except ConnectionRefusedError:
            print("refused")
        except OSError as error:
            print(type(error).__name__)
        """
    )
    await client.printed("hello")
    server.kill()
    assert (await client.finished()).split()[1] in ("reset", "b''")
