"""WASI preview1 as tests speak it: errno names, flags, and layouts in guest memory.

Owns numbers of the witx definition, written down a second time on purpose: tests do not ask the
kernel what is right.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

MODULE = "wasi_snapshot_preview1"


class Errno(IntEnum):
    SUCCESS = 0
    TOOBIG = 1
    ACCES = 2
    ADDRINUSE = 3
    ADDRNOTAVAIL = 4
    AFNOSUPPORT = 5
    AGAIN = 6
    ALREADY = 7
    BADF = 8
    BADMSG = 9
    BUSY = 10
    CANCELED = 11
    CHILD = 12
    CONNABORTED = 13
    CONNREFUSED = 14
    CONNRESET = 15
    DEADLK = 16
    DESTADDRREQ = 17
    DOM = 18
    DQUOT = 19
    EXIST = 20
    FAULT = 21
    FBIG = 22
    HOSTUNREACH = 23
    IDRM = 24
    ILSEQ = 25
    INPROGRESS = 26
    INTR = 27
    INVAL = 28
    IO = 29
    ISCONN = 30
    ISDIR = 31
    LOOP = 32
    MFILE = 33
    MLINK = 34
    MSGSIZE = 35
    MULTIHOP = 36
    NAMETOOLONG = 37
    NETDOWN = 38
    NETRESET = 39
    NETUNREACH = 40
    NFILE = 41
    NOBUFS = 42
    NODEV = 43
    NOENT = 44
    NOEXEC = 45
    NOLCK = 46
    NOLINK = 47
    NOMEM = 48
    NOMSG = 49
    NOPROTOOPT = 50
    NOSPC = 51
    NOSYS = 52
    NOTCONN = 53
    NOTDIR = 54
    NOTEMPTY = 55
    NOTRECOVERABLE = 56
    NOTSOCK = 57
    NOTSUP = 58
    NOTTY = 59
    NXIO = 60
    OVERFLOW = 61
    OWNERDEAD = 62
    PERM = 63
    PIPE = 64
    PROTO = 65
    PROTONOSUPPORT = 66
    PROTOTYPE = 67
    RANGE = 68
    ROFS = 69
    SPIPE = 70
    SRCH = 71
    STALE = 72
    TIMEDOUT = 73
    TXTBSY = 74
    XDEV = 75
    NOTCAPABLE = 76


class Open(IntFlag):
    NONE = 0
    CREATE = 1
    DIRECTORY = 2
    EXCLUSIVE = 4
    TRUNCATE = 8


class FdFlag(IntFlag):
    NONE = 0
    APPEND = 1
    DSYNC = 2
    NONBLOCK = 4
    RSYNC = 8
    SYNC = 16


class FileType(IntEnum):
    UNKNOWN = 0
    BLOCK_DEVICE = 1
    CHARACTER_DEVICE = 2
    DIRECTORY = 3
    REGULAR_FILE = 4
    SOCKET_DGRAM = 5
    SOCKET_STREAM = 6
    SYMBOLIC_LINK = 7


class Whence(IntEnum):
    SET = 0
    CURRENT = 1
    END = 2


class Clock(IntEnum):
    REALTIME = 0
    MONOTONIC = 1
    PROCESS_CPUTIME = 2
    THREAD_CPUTIME = 3


class Subscription(IntEnum):
    CLOCK = 0
    READ = 1
    WRITE = 2


ALL_RIGHTS = 0x1FFFFFFF
READ_RIGHTS = ALL_RIGHTS & ~(1 << 6 | 1 << 8)
"""All but to write and to allocate: what `open(O_RDONLY)` asks for."""
SYMLINK_FOLLOW = 1
SET_ATIM, SET_ATIM_NOW, SET_MTIM, SET_MTIM_NOW = 1, 2, 4, 8
ABSTIME = 1
HANGUP = 1
PEEK, WAITALL, DONTWAIT = 1, 2, 4
SHUT_READ, SHUT_WRITE = 1, 2

_FDSTAT = struct.Struct("<BxHxxxxQQ")
_FILESTAT = struct.Struct("<QQB7xQQQQQ")
_DIRENT = struct.Struct("<QQIB3x")
_EVENT = struct.Struct("<QHB5xQH6x")
FDSTAT_SIZE, FILESTAT_SIZE, EVENT_SIZE = _FDSTAT.size, _FILESTAT.size, _EVENT.size
SUBSCRIPTION_SIZE = 48


@dataclass(frozen=True, slots=True)
class FdStat:
    filetype: FileType
    flags: FdFlag
    rights: int
    inheriting: int


@dataclass(frozen=True, slots=True)
class FileStat:
    device: int
    inode: int
    filetype: FileType
    links: int
    size: int
    atim: int
    mtim: int
    ctim: int


@dataclass(frozen=True, slots=True)
class DirEntry:
    following: int
    """The cookie to go on from."""
    inode: int
    filetype: FileType
    name: str


@dataclass(frozen=True, slots=True)
class PollEvent:
    userdata: int
    error: Errno
    kind: Subscription
    available: int
    hangup: bool


def read_fdstat(memory: bytes) -> FdStat:
    filetype, flags, rights, inheriting = _FDSTAT.unpack(memory)
    return FdStat(FileType(filetype), FdFlag(flags), rights, inheriting)


def read_filestat(memory: bytes) -> FileStat:
    device, inode, filetype, links, size, atim, mtim, ctim = _FILESTAT.unpack(memory)
    return FileStat(device, inode, FileType(filetype), links, size, atim, mtim, ctim)


def read_dirents(memory: bytes) -> list[DirEntry]:
    """Take apart what `fd_readdir` wrote; a cut entry at the end is left out."""
    entries, at = [], 0
    while at + _DIRENT.size <= len(memory):
        following, inode, length, filetype = _DIRENT.unpack_from(memory, at)
        name = memory[at + _DIRENT.size : at + _DIRENT.size + length]
        if len(name) < length:
            break
        entries.append(DirEntry(following, inode, FileType(filetype), name.decode()))
        at += _DIRENT.size + length
    return entries


def read_events(memory: bytes) -> list[PollEvent]:
    return [
        PollEvent(userdata, Errno(error), Subscription(kind), available, bool(flags & HANGUP))
        for userdata, error, kind, available, flags in _EVENT.iter_unpack(memory)
    ]


def subscribe_fd(kind: Subscription, fd: int, userdata: int = 0) -> bytes:
    return struct.pack("<QB7xI28x", userdata, kind, fd)


def subscribe_clock(
    timeout_ns: int, clock: int = Clock.MONOTONIC, userdata: int = 0, flags: int = 0
) -> bytes:
    head = struct.pack("<QB7x", userdata, Subscription.CLOCK)
    return head + struct.pack("<I4xQQH6x", clock, timeout_ns, 0, flags)
