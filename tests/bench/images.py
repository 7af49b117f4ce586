"""The images of Python programs: the shipped one, and the one that is built on this machine."""

from __future__ import annotations

import os
import sys
import time

from pod_node.images import Blueprint, BuildStore, CacheFolder, cache_root, find_image
from pod_node.progress import Progress, Reporter

BUILT = "python:3.13"


def built_python() -> str:
    """Name the built image, after building it if that was not done before: some minutes."""
    image = find_image(BUILT)
    assert isinstance(image, Blueprint)
    builds = BuildStore(CacheFolder(cache_root(os.environ)))
    builds.build(image, Reporter(BUILT, _StepLines(), time.monotonic))
    return BUILT


class _StepLines:
    """Writes a line for each step of a build."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, step: Progress) -> None:
        if step.doing != self._told:
            self._told = step.doing
            sys.stderr.write(f"{step.image}: {step.doing}\n")
