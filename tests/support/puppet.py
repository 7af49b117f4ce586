"""A guest under remote control: the test calls any import, and reads and writes the guest's memory.

Descriptors 0 to 2 are standard streams, then come the mounts, then `/net` and `/proc`, then the
connection to the test.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.support import wasi
from tests.support.wasi import Errno, FdFlag, FdStat, FileStat, FileType, Open, PollEvent
from tests.support.wat import FREE_MEMORY, Op, record

if TYPE_CHECKING:
    from pod_node.spec import PodExit
    from tests.support.lab import Guest
    from vnet.host import FabricServer, HostEndpoint

_IOVECS, _ANSWER, _PATH, _SECOND_PATH, _BUFFER = (FREE_MEMORY + 4096 * index for index in range(5))
ANSWER = _ANSWER
"""Where calls that give one number leave it."""
BUFFER = _BUFFER
"""Where tests may put what they like; the rest of the second page is free from here on."""
BUFFER_SIZE = (2 << 16) - BUFFER
GONE_STATUS = 99
"""How a puppet ends when the test hangs up."""


class PuppetServer:
    """Takes the puppets' connections."""

    def __init__(self) -> None:
        self._arrivals: dict[
            str, asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        ] = {}
        self._server: FabricServer | None = None

    @classmethod
    async def open(cls, endpoint: HostEndpoint, address: str) -> PuppetServer:
        server = cls()
        server._server = await endpoint.start_server(server._arrived, address, 0)
        return server

    @property
    def path(self) -> str:
        """Where puppets connect to, below `/net`."""
        assert self._server is not None
        address, port = self._server.address
        return f"tcp/connect/{address}/{port}"

    def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        self._queue(address).put_nowait((reader, writer))

    def _queue(
        self, address: str
    ) -> asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        return self._arrivals.setdefault(address, asyncio.Queue())

    async def connected(self, guest: Guest) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        arrival = asyncio.get_running_loop().create_task(self._queue(guest.address).get())
        ended = asyncio.get_running_loop().create_task(guest.end())
        await asyncio.wait((arrival, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        assert arrival.done(), f"the puppet did not come up: {guest.exit}"
        return arrival.result()


class WasiError(Exception):
    """A call did not succeed."""

    def __init__(self, call: str, error: Errno) -> None:
        super().__init__(call, error)
        self.error = error

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.error.name}"


class Puppet:
    """The test's end."""

    def __init__(
        self,
        guest: Guest,
        numbers: dict[str, int],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self.guest = guest
        self.number = number
        """Of the process, in its pod."""
        self._numbers = numbers
        self._reader = reader
        self._writer = writer

    @property
    def net(self) -> int:
        """The descriptor of `/net`, after all others."""
        assert self.guest.pod is not None
        return self.root + len(self.guest.pod.disks().usage())

    @property
    def root(self) -> int:
        """The descriptor of `/` in a pod that has a root; tmpfs come after it."""
        assert self.guest.pod is not None
        return 3 + len(self.guest.pod.spec.mounts)

    @property
    def proc(self) -> int:
        """The descriptor of `/proc`."""
        return self.net + 1

    @property
    def control(self) -> int:
        """The descriptor of the connection to the test."""
        return self.proc + 1

    # --- the machine ---

    def start(self, name: str, *arguments: int) -> None:
        """Begin a call whose answer `answer` takes, or nobody."""
        self._writer.write(record(Op.CALL, self._numbers[name], *arguments))

    def tell(self, op: Op, *arguments: int) -> None:
        """Have the guest do something that does not come back."""
        self._writer.write(record(op, 0, *arguments))

    async def answer(self) -> int:
        return int.from_bytes(await self._reader.readexactly(4), "little", signed=True)

    async def call(self, name: str, *arguments: int) -> Errno:
        """Call an import with any arguments."""
        self.start(name, *arguments)
        return Errno(await self.answer())

    async def checked(self, name: str, *arguments: int) -> None:
        """Call an import that must succeed."""
        error = await self.call(name, *arguments)
        if error:
            raise WasiError(f"{name}{arguments}", error)

    async def grow(self, pages: int) -> int:
        self.tell(Op.GROW, pages)
        return await self.answer()

    async def grow_table(self, elements: int) -> int:
        self.tell(Op.TABLE_GROW, elements)
        return await self.answer()

    def poke(self, address: int, data: bytes) -> int:
        """Put bytes into the guest's memory; returns their address."""
        self._writer.write(record(Op.POKE, 0, address, len(data)) + data)
        return address

    async def peek(self, address: int, size: int) -> bytes:
        self._writer.write(record(Op.PEEK, 0, address, size))
        return await self._reader.readexactly(size)

    async def peek_u32(self, address: int) -> int:
        return int.from_bytes(await self.peek(address, 4), "little")

    def hang_up(self) -> None:
        self._writer.close()

    async def hung_up(self) -> None:
        """Wait until the host's end of the connection is closed."""
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def end(self) -> PodExit:
        return await self.guest.end()

    async def kill(self) -> PodExit:
        return await self.guest.killed()

    # --- files ---

    def path(self, path: str | bytes, at: int = _PATH) -> tuple[int, int]:
        """Put a path into memory: its address and length."""
        encoded = path.encode() if isinstance(path, str) else path
        return self.poke(at, encoded), len(encoded)

    def second_path(self, path: str) -> tuple[int, int]:
        return self.path(path, _SECOND_PATH)

    async def try_open(
        self,
        directory: int,
        path: str | bytes,
        flags: FdFlag = FdFlag.NONE,
        create: Open = Open.NONE,
        *,
        rights: int = wasi.ALL_RIGHTS,
        follow: bool = True,
    ) -> Errno:
        """`path_open`; the number is left where `opened` reads it."""
        return await self.call(
            "path_open",
            directory,
            wasi.SYMLINK_FOLLOW if follow else 0,
            *self.path(path),
            create,
            rights,
            rights,
            flags,
            _ANSWER,
        )

    async def opened(self) -> int:
        return await self.peek_u32(_ANSWER)

    async def open(
        self,
        directory: int,
        path: str | bytes,
        flags: FdFlag = FdFlag.NONE,
        create: Open = Open.NONE,
        *,
        rights: int = wasi.ALL_RIGHTS,
    ) -> int:
        error = await self.try_open(directory, path, flags, create, rights=rights)
        if error:
            raise WasiError(f"path_open {path!r}", error)
        return await self.opened()

    async def open_net(self, path: str, flags: FdFlag = FdFlag.NONE) -> int:
        return await self.open(self.net, path, flags)

    async def try_open_net(self, path: str | bytes, flags: FdFlag = FdFlag.NONE) -> Errno:
        return await self.try_open(self.net, path, flags)

    async def close(self, fd: int) -> None:
        await self.checked("fd_close", fd)

    def buffers(self, *sizes: int) -> tuple[int, int]:
        """Make an iovec list over consecutive parts of the buffer: its address and length."""
        at, parts = BUFFER, []
        for size in sizes:
            parts.append(struct.pack("<II", at, size))
            at += size
        return self.poke(_IOVECS, b"".join(parts)), len(sizes)

    async def try_read(self, fd: int, size: int = 4096) -> Errno:
        return await self.call("fd_read", fd, *self.buffers(size), _ANSWER)

    async def read(self, fd: int, size: int = 4096) -> bytes:
        await self.checked("fd_read", fd, *self.buffers(size), _ANSWER)
        return await self.peek(BUFFER, await self.peek_u32(_ANSWER))

    async def read_exactly(self, fd: int, size: int) -> bytes:
        """Read until there are `size` bytes or the stream ends."""
        parts = b""
        while len(parts) < size and (part := await self.read(fd, min(size - len(parts), 65536))):
            parts += part
        return parts

    async def try_write(self, fd: int, data: bytes) -> Errno:
        self.poke(BUFFER, data)
        return await self.call("fd_write", fd, *self.buffers(len(data)), _ANSWER)

    async def write(self, fd: int, data: bytes) -> int:
        error = await self.try_write(fd, data)
        if error:
            raise WasiError(f"fd_write {fd}", error)
        return await self.peek_u32(_ANSWER)

    async def seek(self, fd: int, offset: int, whence: int) -> int:
        await self.checked("fd_seek", fd, offset, whence, _ANSWER)
        return int.from_bytes(await self.peek(_ANSWER, 8), "little")

    async def tell_position(self, fd: int) -> int:
        await self.checked("fd_tell", fd, _ANSWER)
        return int.from_bytes(await self.peek(_ANSWER, 8), "little")

    async def fdstat(self, fd: int) -> FdStat:
        await self.checked("fd_fdstat_get", fd, _ANSWER)
        return wasi.read_fdstat(await self.peek(_ANSWER, wasi.FDSTAT_SIZE))

    async def filestat(self, fd: int) -> FileStat:
        await self.checked("fd_filestat_get", fd, _ANSWER)
        return wasi.read_filestat(await self.peek(_ANSWER, wasi.FILESTAT_SIZE))

    async def stat(self, directory: int, path: str, *, follow: bool = True) -> FileStat:
        flags = wasi.SYMLINK_FOLLOW if follow else 0
        await self.checked("path_filestat_get", directory, flags, *self.path(path), _ANSWER)
        return wasi.read_filestat(await self.peek(_ANSWER, wasi.FILESTAT_SIZE))

    async def readdir(self, fd: int, cookie: int = 0, size: int = 4096) -> list[wasi.DirEntry]:
        await self.checked("fd_readdir", fd, BUFFER, size, cookie, _ANSWER)
        return wasi.read_dirents(await self.peek(BUFFER, await self.peek_u32(_ANSWER)))

    async def readlink(self, directory: int, path: str) -> str:
        await self.checked("path_readlink", directory, *self.path(path), BUFFER, 4096, _ANSWER)
        return (await self.peek(BUFFER, await self.peek_u32(_ANSWER))).decode()

    async def set_nonblocking(self, fd: int, *, on: bool = True) -> None:
        await self.checked("fd_fdstat_set_flags", fd, FdFlag.NONBLOCK if on else FdFlag.NONE)

    async def poll(self, *subscriptions: bytes) -> list[PollEvent]:
        """`poll_oneoff`; the events in the kernel's order."""
        at = self.poke(BUFFER, b"".join(subscriptions))
        events = at + len(subscriptions) * wasi.SUBSCRIPTION_SIZE
        await self.checked("poll_oneoff", at, events, len(subscriptions), _ANSWER)
        count = await self.peek_u32(_ANSWER)
        return wasi.read_events(await self.peek(events, count * wasi.EVENT_SIZE))

    # --- processes ---

    async def own_id(self, which: int) -> int:
        await self.checked("proc_id", which, _ANSWER)
        return await self.peek_u32(_ANSWER)

    async def spawn(self, request: bytes) -> int:
        self.poke(BUFFER, request)
        await self.checked("proc_spawn", BUFFER, len(request), _ANSWER)
        return await self.peek_u32(_ANSWER)

    async def try_spawn(self, program: str) -> Errno:
        request = f"a{program}\0".encode()
        self.poke(BUFFER, request)
        return await self.call("proc_spawn", BUFFER, len(request), _ANSWER)

    async def wait(self, number: int, options: int = 0) -> tuple[int, int]:
        await self.checked("proc_wait", number, options, _ANSWER, _ANSWER + 4)
        return await self.peek_u32(_ANSWER), await self.peek_u32(_ANSWER + 4)

    async def pipe(self) -> tuple[int, int]:
        await self.checked("fd_pipe", _ANSWER)
        return await self.peek_u32(_ANSWER), await self.peek_u32(_ANSWER + 4)

    async def gone(self) -> None:
        """Wait until the process has ended; its pod may go on."""
        with suppress(ConnectionError):
            assert await self._reader.read() == b""
        self.hang_up()
        await self.hung_up()

    async def proc_text(self, path: str) -> str:
        fd = await self.open(self.proc, path)
        text = (await self.read(fd)).decode()
        await self.close(fd)
        return text

    async def proc_command(self, command: str) -> str:
        fd = await self.open(self.proc, "ctl")
        try:
            await self.write(fd, command.encode())
            return (await self.read(fd)).decode()
        finally:
            await self.close(fd)

    async def try_proc_command(self, command: str) -> Errno:
        fd = await self.open(self.proc, "ctl")
        error = await self.try_write(fd, command.encode())
        await self.close(fd)
        return error

    # --- /net ---

    async def socket_id(self, fd: int) -> int:
        stat = await self.filestat(fd)
        assert stat.filetype in (FileType.SOCKET_STREAM, FileType.SOCKET_DGRAM)
        return stat.inode

    async def ask(self, path: str) -> str:
        """Read a small text below `/net`."""
        fd = await self.open_net(path)
        text = (await self.read(fd)).decode()
        assert await self.read(fd) == b""
        await self.close(fd)
        return text

    async def control_command(self, command: str) -> str:
        """One command to a fresh `/net/ctl`, and its reply."""
        fd = await self.open_net("ctl")
        try:
            await self.write(fd, command.encode())
            return (await self.read(fd)).decode()
        finally:
            await self.close(fd)

    async def try_command(self, command: str) -> Errno:
        fd = await self.open_net("ctl")
        error = await self.try_write(fd, command.encode())
        await self.close(fd)
        return error

    async def local(self, fd: int) -> tuple[str, int]:
        return _endpoint(await self.ask(f"sock/{await self.socket_id(fd)}/local"))

    async def remote(self, fd: int) -> tuple[str, int]:
        return _endpoint(await self.ask(f"sock/{await self.socket_id(fd)}/remote"))

    async def listen(self, port: int = 0, address: str = "0.0.0.0") -> int:
        return await self.open_net(f"tcp/listen/{address}/{port}")

    async def accept(self, listener: int) -> int:
        return await self.open_net(f"tcp/accept/{await self.socket_id(listener)}")

    async def connect(self, host: str, port: int, flags: FdFlag = FdFlag.NONE) -> int:
        return await self.open_net(f"tcp/connect/{host}/{port}", flags)


def _endpoint(text: str) -> tuple[str, int]:
    address, port = text.split()
    return address, int(port)
