"""`podnet image ls|pull|build`: the images that topologies can name, and having them beforehand.

Works on the user's image cache directly and needs no running node. Compiling is left to the first
boot, because it depends on the node's engine.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json
from orchestrator.cli.pictures import table
from pod_node.images import (
    Blueprint,
    BuildStore,
    CacheFolder,
    Manifest,
    ModuleStore,
    Product,
    absolute_reference,
    cache_root,
    find_image,
    find_manifest,
    known_images,
)
from pod_node.progress import OnProgress, Phase, Progress, Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIGEST_DIGITS = 12
"""Enough to tell images apart in a table; `--format json` has all of them."""


@click.group("image", help="List, fetch and build images.")
def command() -> None:
    """Group of the image commands."""


@command.command("ls")
@format_option
def list_images(form: str) -> None:
    """List the images that come with podnet."""
    cache = CacheFolder(cache_root(os.environ))
    rows = [_row(name, cache) for name in known_images()]
    if form == "json":
        print_json(rows)
    else:
        _print_table(rows)


@command.command("pull")
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
def pull_images(images: tuple[str, ...]) -> None:
    """Fetch images, so that the first `up` need not.

    An IMAGE is a name that `podnet image ls` shows, or a path to a module (.wasm) or manifest
    (.toml) of your own. Without any, all that come with podnet and are not built are fetched.
    """
    store = ModuleStore(CacheFolder(cache_root(os.environ)))
    with _shown_progress() as on_progress:
        for image in dict.fromkeys(images or _fetched_images()):
            manifest = find_manifest(absolute_reference(image, Path.cwd()))
            store.pull(manifest, Reporter(image, on_progress, time.monotonic))
            click.echo(f"{image}: sha256 {manifest.sha256}, {manifest.size_bytes} bytes")


@command.command("build")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
def build_images(images: tuple[str, ...]) -> None:
    """Build images from source, so that the first `up` need not.

    An IMAGE is a name that `podnet image ls` shows with a source that begins with `build:`. It
    takes minutes, and is done once; what was begun and ended half-way is continued.
    """
    builds = BuildStore(CacheFolder(cache_root(os.environ)))
    with _shown_progress() as on_progress:
        for image in dict.fromkeys(images):
            found = find_image(absolute_reference(image, Path.cwd()))
            if not isinstance(found, Blueprint):
                raise click.UsageError(
                    f"{image} is not built but fetched: podnet image pull {image}"
                )
            reporter = Reporter(image, on_progress, time.monotonic)
            manifest = builds.build(found, reporter)
            click.echo(f"{image}: sha256 {manifest.sha256}, {manifest.size_bytes} bytes")


def _fetched_images() -> list[str]:
    return [name for name in known_images() if isinstance(find_image(name), Manifest)]


def _row(name: str, cache: CacheFolder) -> dict[str, str | int | bool | None]:
    image = find_image(name)
    product: Manifest | Product | None
    if isinstance(image, Blueprint):
        product, source = BuildStore(cache).find(image), f"build:{image.recipe}"
        path = product.module if product else None
    else:
        product, source = image, str(image.sources[0])
        path = ModuleStore(cache).path_of(image)
    return {
        "name": name,
        "sha256": product.sha256 if product else None,
        "size_bytes": product.size_bytes if product else None,
        "pulled": path is not None,
        "path": str(path) if path else None,
        "source": source,
    }


def _print_table(rows: list[dict[str, str | int | bool | None]]) -> None:
    lines: list[tuple[str, ...]] = [("NAME", "SHA256", "SIZE", "PULLED", "SOURCE")]
    for row in rows:
        size = row["size_bytes"]
        megabytes = f"{int(size) / 1e6:.1f} MB" if size else "-"
        digest = str(row["sha256"] or "-")[:DIGEST_DIGITS]
        pulled = "yes" if row["pulled"] else "no"
        lines.append((str(row["name"]), digest, megabytes, pulled, str(row["source"])))
    click.echo(table(lines, colours=False), nl=False)


@contextmanager
def _shown_progress() -> Iterator[OnProgress]:
    """Show a bar to a person, and one line for each step to a file."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_per_step(lambda line: click.echo(line, err=True))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=None)

        def show(progress: Progress) -> None:
            bars.update(
                task,
                description=f"{progress.image}: {progress.doing}",
                completed=progress.done_bytes,
                total=progress.total_bytes or None,
            )

        yield show


def _line_per_step(write: Callable[[str], None]) -> OnProgress:
    seen: set[tuple[str, Phase, str]] = set()

    def show(progress: Progress) -> None:
        step = (progress.image, progress.phase, progress.source)
        if step not in seen:
            seen.add(step)
            so_far = f", {progress.elapsed_s:.0f} s so far" if progress.elapsed_s >= 1 else ""
            write(f"{progress.image}: {progress.doing}{so_far}")

    return show
