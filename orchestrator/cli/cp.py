"""`podnet cp`: copy files and folders into and out of pods.

Owns the words `POD:PATH` and `-`, and which side is which. The rules for names are `docker cp`'s.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from pod_node.files import Copied, PodTree

STREAM = "-"
PIECE_BYTES = 256 * 1024
QUIET_S = 1.0
"""What is over by then needs no display."""


@dataclass(frozen=True, slots=True)
class InPod:
    """A place in a pod."""

    name: str
    path: str


@dataclass(slots=True)
class Meter:
    """Says how much has passed, on a terminal and after a second."""

    what: str
    started: float = field(default_factory=time.monotonic)
    shown: float = 0.0
    passed: int = 0

    async def count(self, pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        """Hand pieces on."""
        async for piece in pieces:
            self.passed += len(piece)
            self._show()
            yield piece
        if self.shown:
            click.echo("\r\033[K", nl=False, err=True)

    def _show(self) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self.started > QUIET_S and now - self.shown > 0.1:
            self.shown = now
            rate = self.passed / (now - self.started) / 2**20
            text = f"{self.what}: {self.passed / 2**20:.1f} MiB, {rate:.1f} MiB/s"
            click.echo(f"\r\033[K{text}", nl=False, err=True)


@click.command("cp", short_help="Copy files and folders into and out of pods.")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("-L", "--follow-link", is_flag=True, help="Copy what a link SRC leads to.")
@click.option("--index", type=int, metavar="N", help="Which replica of a service; by default 1.")
@click.option(
    "-a", "--archive", is_flag=True, hidden=True, help="Owners are not kept: pods have none."
)
@reaching
def command(
    reach: Reach, source: str, target: str, follow_link: bool, index: int | None, archive: bool
) -> None:
    """Copy files and folders into and out of pods, running or not.

    One of SRC and DST is SERVICE:PATH or POD:PATH, the other a path here, or - for a tar stream on
    standard input or output. A folder with /. at its end stands for what is in it.
    """
    inside = [_in_pod(source, index), _in_pod(target, index)]
    if (inside[0] is None) is (inside[1] is None):
        raise click.UsageError("one of SRC and DST is in a pod: SERVICE:PATH, or POD:PATH")
    if inside[0] is not None:
        _copy_out(reach, inside[0], target, follow=follow_link)
    elif inside[1] is not None:
        _copy_in(reach, source, inside[1], follow=follow_link)


def _in_pod(text: str, index: int | None) -> InPod | None:
    """Read POD:PATH; a path with a slash before its first colon is one here."""
    name, colon, path = text.partition(":")
    if not colon or not name or "/" in name or name.startswith("."):
        return None
    return InPod(name if index is None else f"{name}-{index}", path or "/")


def _copy_out(reach: Reach, source: InPod, target: str, *, follow: bool) -> None:
    from pod_node.files import copy_in

    here = None if target == STREAM else _place_here(target)

    async def work(client: DeploymentClient) -> Copied | None:
        pieces = client.copy_out(source.name, source.path, follow=follow)
        async with aclosing(pieces):
            counted = Meter(f"{source.name}:{source.path}").count(pieces)
            if here is not None:
                return await copy_in(here[0], _NoBook(), counted, here[1], strip=True)
            async for piece in counted:
                await asyncio.to_thread(_write_stdout, piece)
            return None

    copied = reach.follow(work)
    if copied is not None:
        _tell(copied, target)


def _copy_in(reach: Reach, source: str, target: InPod, *, follow: bool) -> None:
    async def work(client: DeploymentClient) -> Copied:
        pieces = _stdin() if source == STREAM else _take_here(source, follow=follow)
        async with aclosing(pieces):
            counted = Meter(source).count(pieces)
            strip = source != STREAM
            return await client.copy_in(target.name, target.path, counted, strip=strip)

    _tell(reach.follow(work), f"{target.name}:{target.path}")


def _tell(copied: Copied, where: str) -> None:
    noun = "file" if copied.files == 1 else "files"
    click.echo(f"{copied.files} {noun}, {copied.bytes:,} bytes to {where}", err=True)


class _NoBook:
    """Nothing is counted here."""

    def take(self, target: str, blocks: int) -> None:
        """Take it."""

    def give(self, target: str, blocks: int) -> None:
        """Give it."""

    def linked(self, target: str) -> None:
        """Look for links."""

    def hide(self, path: str) -> None:
        """Hide it."""

    def change(self, path: str) -> None:
        """It has changed."""


def _place_here(target: str) -> tuple[PodTree, str]:
    """Give a tree for what is put here: the folder around the target, and nothing else."""
    whole = Path(target)
    if whole.is_dir():
        return _tree(whole), "/"
    slash = "/" if target.endswith("/") else ""
    return _tree(whole.absolute().parent), f"/{whole.name}{slash}"


def _take_here(source: str, *, follow: bool) -> AsyncGenerator[bytes, None]:
    from pod_node.files import copy_out

    whole = Path(source)
    if follow or source.endswith(("/", "/.")) or source == ".":
        whole = whole.resolve()
    if whole.is_dir() and (source.endswith("/.") or source == "."):
        return copy_out(_tree(whole), "/.", follow=False)
    return copy_out(_tree(whole.absolute().parent), f"/{whole.absolute().name}", follow=False)


def _tree(folder: Path) -> PodTree:
    from pod_node.files import CopyError, PodTree

    if not folder.is_dir():
        raise CopyError(str(folder), "there is no such folder")
    return PodTree.of_folder(folder)


async def _stdin() -> AsyncGenerator[bytes, None]:
    while piece := await asyncio.to_thread(os.read, sys.stdin.fileno(), PIECE_BYTES):
        yield piece


def _write_stdout(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
