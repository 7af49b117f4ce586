"""What can go wrong between an image's name and a module that is ready to boot.

Owns every error of this package; all derive from `ImageError`, whose text is fit to be shown as it
is.
"""

from __future__ import annotations

import difflib

from pod_node.errors import PodNodeError


class ImageError(PodNodeError):
    """Base of the errors about images."""


class UnknownImageError(ImageError):
    """A reference is neither a known name nor a path."""

    def __init__(self, reference: str, known: tuple[str, ...]) -> None:
        super().__init__(reference, known)
        self.reference, self.known = reference, known

    def __str__(self) -> str:
        near = difflib.get_close_matches(self.reference, self.known, n=1)
        guess = f"; did you mean {_quoted(near[0])}?" if near else "."
        names = ", ".join(self.known)
        return (
            f"unknown image {_quoted(self.reference)}{guess} Known images: {names}. "
            "A module of your own is named by its path: ./module.wasm"
        )


class BuiltImageError(ImageError):
    """An image cannot be fetched, because it is built on this machine."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference

    def __str__(self) -> str:
        return (
            f"image {self.reference} is not fetched but built on this machine: "
            f"podnet image build {self.reference}"
        )


class ManifestError(ImageError):
    """A manifest cannot be read or says something impossible."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place, self.reason = place, reason

    def __str__(self) -> str:
        return f"image manifest {self.place}: {self.reason}"


class UnknownProgramError(ImageError):
    """A pod's command begins with a program that its image does not have."""

    def __init__(self, image: str, program: str, programs: tuple[str, ...]) -> None:
        super().__init__(image, program, programs)
        self.image, self.program, self.programs = image, program, programs

    def __str__(self) -> str:
        listed = ", ".join(self.programs)
        return (
            f"image {self.image} has no program {_quoted(self.program)}; "
            f"a command must begin with: {listed}"
        )


class ModuleError(ImageError):
    """The bytes of an image are not a module that podnet runs."""

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(image, reason)
        self.image, self.reason = image, reason

    def __str__(self) -> str:
        return f"image {self.image}: {self.reason}"


class SourceError(ImageError):
    """One source could not give the module."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source, self.reason = source, reason

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


class NoSourceError(ImageError):
    """Every source of an image failed."""

    def __init__(self, image: str, failures: tuple[str, ...]) -> None:
        super().__init__(image, failures)
        self.image, self.failures = image, failures

    def __str__(self) -> str:
        listed = "".join(f"\n  {failure}" for failure in self.failures)
        return (
            f"image {self.image}: no source could give its module:{listed}\n"
            "Check the network and the settings of pip and npm, then try again; or get the module "
            "by other means and name it in a manifest of your own with a `file:` source."
        )


class DigestMismatchError(ImageError):
    """A source gave other bytes than the manifest names; they were thrown away."""

    def __init__(self, image: str, source: str, expected: str, found: str) -> None:
        super().__init__(image, source, expected, found)
        self.image, self.source, self.expected, self.found = image, source, expected, found

    def __str__(self) -> str:
        return (
            f"image {self.image}: wrong digest from {self.source}:\n"
            f"  expected sha256 {self.expected}\n"
            f"  found    sha256 {self.found}\n"
            "The bytes were thrown away. Either the source was changed, or the manifest is wrong."
        )


class CacheFullError(ImageError):
    """The disk that holds the cache is full; nothing incomplete was left on it."""

    def __init__(self, folder: str, wanted: str) -> None:
        super().__init__(folder, wanted)
        self.folder, self.wanted = folder, wanted

    def __str__(self) -> str:
        return (
            f"no space left in {self.folder} for {self.wanted}; free some, "
            "or set PODNET_CACHE to a folder on another disk"
        )


class CacheFolderError(ImageError):
    """The cache folder cannot be used."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder, self.reason = folder, reason

    def __str__(self) -> str:
        return (
            f"cache folder {self.folder}: {self.reason}; set PODNET_CACHE to a folder of your own"
        )


class LayerError(ImageError):
    """The files that an image mounts into its guests could not be prepared."""

    def __init__(self, image: str, folder: str, reason: str) -> None:
        super().__init__(image, folder, reason)
        self.image, self.folder, self.reason = image, folder, reason

    def __str__(self) -> str:
        return f"image {self.image}: cannot prepare the files of {self.folder}: {self.reason}"


class PartRefusedError(ImageError):
    """A part of an image that another machine gave, or that it is asked for, is not used."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(part, reason)
        self.part, self.reason = part, reason

    def __str__(self) -> str:
        return f"{self.part}: {self.reason}"


def _quoted(word: str) -> str:
    """Quote a word that a person wrote; what no terminal should see is escaped."""
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in word)
    return f'"{printable}"'
