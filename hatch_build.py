"""Packaging hook: build `kernel.wasm` and the protobuf modules for wheels and editable installs.

Runs the recipes `protos/build.py` and `pod_node/kernel/build.py` with the interpreter of the build
environment. A source distribution carries neither product: they are built again from it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

RECIPES = ("protos/build.py", "pod_node/kernel/build.py")


class PodnetBuildHook(BuildHookInterface[BuilderConfig]):
    """Builds the products that the wheel needs at run time."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        """Run every recipe before files are collected.

        Raises:
            RuntimeError: a recipe failed; its own message is already on standard error.
        """
        for recipe in RECIPES:
            command = [sys.executable, str(Path(self.root) / recipe)]
            status = subprocess.run(command, cwd=self.root, check=False).returncode
            if status != 0:
                raise RuntimeError(f"{recipe} ended with status {status}; see its message above")
