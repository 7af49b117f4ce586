"""What this machine offers."""

from __future__ import annotations

from pathlib import Path

from orchestrator.backends import machine
from orchestrator.placement.values import pods_most


def test_the_number_of_memory_maps_is_the_systems() -> None:
    assert machine._MAP_COUNT.is_file()
    known = int(Path("/proc/sys/vm/max_map_count").read_text())
    assert machine.map_count() == known
    assert machine.this_machine("here").pods_most == pods_most(known)
