"""Parts of images on their way from one machine's cache to another's, a piece at a time.

Owns both ends; what carries the pieces is somebody else's. A part is bytes with a size, a sha256
and a **seal**: an HMAC of its name, size and digest under a key of the deployment. Compiled modules
are code that the process will run, and the engine must never be given a stranger's; so what has no
seal of this deployment's is thrown away, whatever it is. All of it blocks.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from pod_node.images.errors import PartRefusedError
from pod_node.images.parts import ImageParts, Part, Stock, pack

PIECE_BYTES = 4 << 20
"""What is read and carried at once: large for a network, small beside what carries it."""
BUSY_S = 20.0
"""How long somebody else on this machine may be at work on a part before it is left to them."""
_PURPOSE = b"podnet image parts\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A part that a machine gives."""

    part: Part
    size_bytes: int
    sha256: str
    """Of its bytes as they are carried."""
    seal: bytes


def sealing_key(token: bytes) -> bytes:
    """Derive the key for seals from a deployment's token."""
    return hmac.new(token, _PURPOSE, hashlib.sha256).digest()


def seal(key: bytes, part: Part, size_bytes: int, sha256: str) -> bytes:
    """Make the seal of a part."""
    text = "\n".join((part.kind.value, part.key, str(size_bytes), sha256))
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


@dataclass(slots=True)
class _Opened:
    offer: Offer
    file: BufferedIOBase
    users: int = 1


class Giver:
    """Gives parts out of a cache."""

    def __init__(self, parts: ImageParts, key: bytes) -> None:
        self._parts = parts
        self._key = key
        self._opened: dict[Part, _Opened] = {}
        self._turn = threading.Lock()

    def offer(self, part: Part) -> Offer:
        """Open a part for reading, until `close`.

        Raises:
            PartRefusedError: it is not here.
        """
        with self._turn:
            opened = self._opened.get(part)
            if opened is None:
                opened = self._opened[part] = self._open(part)
            else:
                opened.users += 1
            return opened.offer

    def read(self, part: Part, offset: int) -> bytes:
        """Give the piece that begins at `offset`.

        Raises:
            PartRefusedError: the part is not open.
        """
        with self._turn:
            opened = self._opened.get(part)
            if opened is None:
                raise PartRefusedError(str(part), "is not given any more")
            return os.pread(opened.file.fileno(), PIECE_BYTES, offset)

    def close(self, part: Part) -> None:
        """Let go of a part, once for each offer."""
        with self._turn:
            opened = self._opened[part]
            opened.users -= 1
            if not opened.users:
                self._opened.pop(part).file.close()

    def _open(self, part: Part) -> _Opened:
        path = self._parts.path_of(part)
        try:
            file = path.open("rb") if path.is_file() else self._packed(path)
        except OSError as error:
            raise PartRefusedError(str(part), f"is not here: {error.strerror}") from error
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        sealed = seal(self._key, part, size, sha256)
        return _Opened(Offer(part=part, size_bytes=size, sha256=sha256, seal=sealed), file)

    def _packed(self, folder: Path) -> BufferedIOBase:
        folder.stat()  # raises where there is nothing
        with ExitStack() as stack:
            place = self._parts.cache.scratch()
            archive = stack.enter_context(tempfile.TemporaryFile(dir=place))
            pack(folder, archive)
            stack.pop_all()
        return archive


@dataclass(slots=True)
class _Arriving:
    offer: Offer
    scratch: Path
    draft: BufferedIOBase
    held: ExitStack


class Taker:
    """Takes parts into a cache."""

    def __init__(
        self, parts: ImageParts, key: bytes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = parts
        self._key = key
        self._clock = clock
        self._arriving: dict[Part, _Arriving] = {}

    def begin(self, offer: Offer) -> bool:
        """Make ready for a part; whether it is wanted: somebody may have brought it meanwhile.

        The part's lock is held until `finish` or `abandon`.

        Raises:
            PartRefusedError: it has no seal of the deployment's, or is being made here.
        """
        part = offer.part
        wanted = seal(self._key, part, offer.size_bytes, offer.sha256)
        if not hmac.compare_digest(wanted, offer.seal):
            raise PartRefusedError(
                str(part), "has no seal of this deployment, so nobody knows who made it"
            )
        give_up_at = self._clock() + BUSY_S

        def on_wait() -> None:
            if self._clock() > give_up_at:
                raise PartRefusedError(str(part), "is being made on this machine")

        with ExitStack() as stack:
            lock = self._parts.lock_of(part)
            scratch = stack.enter_context(self._parts.cache.work(lock, str(part), on_wait))
            if self._parts.has(part):
                return False
            draft = stack.enter_context((scratch / "part").open("w+b"))
            self._arriving[part] = _Arriving(offer, scratch, draft, stack.pop_all())
        return True

    def write(self, part: Part, offset: int, piece: bytes) -> None:
        """Take the piece that begins at `offset`."""
        os.pwrite(self._arriving[part].draft.fileno(), piece, offset)

    def finish(self, part: Part) -> None:
        """Make sure of a part, and keep it.

        Raises:
            PartRefusedError: it is not what was offered; nothing of it is kept.
            CacheFullError, CacheFolderError: the cache cannot take it.
        """
        arriving = self._arriving.pop(part)
        with arriving.held:
            arriving.draft.seek(0)
            found = hashlib.file_digest(arriving.draft, "sha256").hexdigest()
            if found != arriving.offer.sha256:
                raise PartRefusedError(
                    str(part),
                    f"wrong digest: sha256 {arriving.offer.sha256} was offered and {found} came; "
                    "the bytes were thrown away",
                )
            draft = arriving.scratch / "part"
            self._parts.keep(part, draft, found, arriving.scratch)

    def abandon(self, part: Part) -> None:
        """Throw away what has come of a part."""
        arriving = self._arriving.pop(part, None)
        if arriving is not None:
            arriving.held.close()


class ImageDesk:
    """Where a machine's cache gives parts of images and takes them."""

    def __init__(self, parts: ImageParts, key: bytes) -> None:
        """Serve a cache.

        Args:
            parts: The cache's.
            key: The deployment's, for seals.
        """
        self.giver = Giver(parts, key)
        self.taker = Taker(parts, key)
        self.parts = parts

    def stock(self, reference: str) -> Stock:
        """Say what is here of an image, and what is missing.

        Raises:
            ImageError: it is unknown here, or its manifest cannot be read.
        """
        return self.parts.stock(reference)
