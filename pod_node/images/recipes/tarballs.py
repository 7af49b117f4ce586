"""Upstream's tarballs, through the machine's own `apt-get`.

Owns how they are found: in a folder where they stay for the next build, or at the mirrors that the
machine's packages come from. Debian's archive is read with lists of our own, so that the machine's
are not touched and no rights are needed. A file is used only when its digest is the recipe's;
Debian's own version may move on, as long as upstream's file stays.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pod_node.images.cache import publish
from pod_node.images.recipes.errors import BuildFailedError, TarballError
from pod_node.images.recipes.recipe import Recipe, Tarball
from pod_node.images.recipes.workshop import Workshop

KEYRINGS = tuple(
    Path(f"/usr/share/keyrings/debian-archive-keyring.{end}") for end in ("pgp", "gpg")
)
"""Where Debian keeps the keys of its archive, by age of the release."""
DOWNLOADER = Path("/usr/lib/apt/apt-helper")


def gather(recipe: Recipe, sources: Path, workshop: Workshop) -> None:
    """Have all tarballs of a recipe in the folder `sources`.

    Raises:
        TarballError: one cannot be had, or a file of its name has other bytes.
    """
    missing = [tarball for tarball in recipe.tarballs if not _is_here(tarball, sources)]
    if missing:
        archive = _Archive(recipe.suite, missing[0], sources, workshop)
        for tarball in missing:
            archive.fetch(tarball)


def _is_here(tarball: Tarball, sources: Path) -> bool:
    path = sources / tarball.filename
    if not path.is_file():
        return False
    found = _digest(path)
    if found != tarball.sha256:
        reason = f"the file in that folder has sha256 {found}"
        raise TarballError(tarball.filename, tarball.sha256, str(sources), reason)
    return True


class _Archive:
    """Debian's archive at one of the machine's mirrors."""

    def __init__(self, suite: str, wanted: Tarball, sources: Path, workshop: Workshop) -> None:
        """Find a mirror that has the suite; `wanted` is what to name when there is none."""
        self._sources = sources
        self._workshop = workshop
        self._suite = suite
        if shutil.which("apt-get") is None:
            raise self._error(
                wanted, "it comes from Debian's archive, and there is no apt-get here"
            )
        self._mirror = self._first_mirror(wanted)

    def fetch(self, tarball: Tarball) -> None:
        """Bring one tarball.

        Raises:
            TarballError: the archive has it no more, or not with these bytes.
        """
        url = next(self._urls(tarball), None)
        if url is None:
            raise self._error(tarball, f"Debian's {self._suite} has it no more")
        draft = self._workshop.path("apt", tarball.filename)
        command = [*self._apt(DOWNLOADER), "download-file", url, draft, f"SHA256:{tarball.sha256}"]
        try:
            self._workshop.run(command, self._workshop.folder)
        except BuildFailedError as error:
            raise self._error(tarball, f"cannot be downloaded ({error.reason})") from error
        if _digest(draft) != tarball.sha256:
            raise self._error(tarball, "the archive gives other bytes")
        publish(draft, self._sources / tarball.filename)

    def _urls(self, tarball: Tarball) -> Iterator[str]:
        """Read where the archive has a tarball, in whichever of Debian's versions."""
        command = [*self._apt("apt-cache"), "showsrc", "--only-source", tarball.package]
        printed = self._output(command)
        for stanza in printed.split("\n\n"):
            folders = [
                line.partition(" ")[2]
                for line in stanza.splitlines()
                if line.startswith("Directory:")
            ]
            if folders and f"{tarball.sha256} " in stanza:
                yield f"{self._mirror}/{folders[0]}/{tarball.filename}"

    def _first_mirror(self, wanted: Tarball) -> str:
        failure = "no Debian mirror is among the machine's package sources"
        for mirror in self._mirrors():
            self._write_list(mirror)
            try:
                self._workshop.run([*self._apt("apt-get"), "update"], self._workshop.folder)
            except BuildFailedError as error:
                failure = f"{mirror} does not give the list of {self._suite} ({error.reason})"
            else:
                return mirror
        raise self._error(wanted, failure)

    def _mirrors(self) -> list[str]:
        targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages"]
        uris = dict.fromkeys(line.rstrip("/") for line in self._output(targets).splitlines())
        return [uri for uri in uris if uri and not uri.endswith("-security")]

    def _write_list(self, mirror: str) -> None:
        for place in ("lists/partial", "cache/archives/partial"):
            self._workshop.path("apt", place).mkdir(parents=True, exist_ok=True)
        key = next((f" [signed-by={path}]" for path in KEYRINGS if path.is_file()), "")
        line = f"deb-src{key} {mirror} {self._suite} main\n"
        self._workshop.path("apt", "sources.list").write_text(line, encoding="utf-8")

    def _apt(self, program: str | Path) -> list[str | Path]:
        apt = self._workshop.path("apt")
        options = {
            "Dir::Etc::SourceList": apt / "sources.list",
            "Dir::Etc::SourceParts": "-",
            "Dir::State::Lists": apt / "lists",
            "Dir::Cache": apt / "cache",
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
        }
        return [program, *(part for k, v in options.items() for part in ("-o", f"{k}={v}"))]

    def _output(self, command: list[str | Path] | list[str]) -> str:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        self._workshop.write(done.stderr)
        return done.stdout

    def _error(self, tarball: Tarball, reason: str) -> TarballError:
        return TarballError(tarball.filename, tarball.sha256, str(self._sources), reason)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
