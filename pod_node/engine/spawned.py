"""What a process that was spawned in a pod runs: the pod's specification with a few things changed.

Pure. A pod has one image, and a process runs one of its programs.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pod_node.engine.process import check_texts
from pod_node.errors import BootError
from pod_node.images.errors import UnknownProgramError

if TYPE_CHECKING:
    from pod_node.executing import ProgramCall
    from pod_node.images import CompiledImage
    from pod_node.spec import PodSpec


def spawned_spec(
    spec: PodSpec, image: CompiledImage | None, request: ProgramCall
) -> tuple[PodSpec, list[str]]:
    """Return the specification of one process, and its `argv`.

    A program is found by the last part of its path: an image's programs are in no folder.

    Raises:
        OSError: the image has no such program (ENOENT), or a text is too long (E2BIG).
    """
    working_dir = request.working_dir or spec.working_dir
    environment = spec.environment
    if request.environment is not None:
        environment = request.environment
        if image is not None:
            environment = image.environment(environment)
    argv = request.arguments
    if image is not None:
        argv = (PurePosixPath(argv[0]).name, *argv[1:])
        try:
            argv = image.arguments(argv, working_dir)
        except UnknownProgramError as error:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
    own = replace(spec, command=argv, environment=environment, working_dir=working_dir)
    try:
        check_texts(own, list(argv))
    except BootError as error:
        raise OSError(errno.E2BIG, str(error)) from error
    return own, list(argv)
