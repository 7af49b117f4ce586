"""What can go wrong while an image is built; every text names the remedy."""

from __future__ import annotations

from pathlib import Path

from pod_node.images.errors import ImageError


class MissingToolsError(ImageError):
    """Programs that a build needs are not on this machine."""

    def __init__(self, image: str, missing: tuple[str, ...]) -> None:
        super().__init__(image, missing)
        self.image, self.missing = image, missing

    def __str__(self) -> str:
        listed = "".join(f"\n  {tool}" for tool in self.missing)
        return f"image {self.image} is built on this machine, which lacks:{listed}"


class TarballError(ImageError):
    """A source tarball cannot be had, or has other bytes than the recipe names."""

    def __init__(self, tarball: str, sha256: str, folder: str, reason: str) -> None:
        super().__init__(tarball, sha256, folder, reason)
        self.tarball, self.sha256, self.folder, self.reason = tarball, sha256, folder, reason

    def __str__(self) -> str:
        return (
            f"{self.tarball}: {self.reason}. Get this file by other means "
            f"(sha256 {self.sha256}), put it into {self.folder}, and try again"
        )


class EditError(ImageError):
    """A source file is not what the recipe's edit was written for."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"the recipe's edit of {self.path} does not fit: {self.reason}"


class BuildFailedError(ImageError):
    """A command of a build failed; what was done so far is kept for the next try."""

    def __init__(self, step: str, reason: str, log: Path) -> None:
        super().__init__(step, reason, log)
        self.step, self.reason, self.log = step, reason, log

    def __str__(self) -> str:
        return f"{self.step} failed: {self.reason}\nThe whole log: {self.log}"
