"""Generate the protobuf and gRPC modules below `protos/`; the one place that knows how.

Run as a script by `make protos` and by the packaging hook: `python protos/build.py`. Needs
`grpcio-tools` and `mypy-protobuf` in the running interpreter. The include path is the repository
root, so that a stub imports its neighbours as `protos.node.v1.node_pb2`. Not shipped in the wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Regenerate what is older than its `.proto` file."""
    stale = [path for path in sources() if _is_stale(path)]
    if stale:
        return _generate(stale)
    return 0


def sources() -> list[Path]:
    """Every `.proto` file of the project, in a stable order."""
    return sorted((ROOT / "protos").rglob("*.proto"))


def products(source: Path) -> list[Path]:
    """The files generated from one `.proto` file."""
    stem = source.stem
    names = (f"{stem}_pb2.py", f"{stem}_pb2.pyi", f"{stem}_pb2_grpc.py", f"{stem}_pb2_grpc.pyi")
    return [source.with_name(name) for name in names]


def _is_stale(source: Path) -> bool:
    newest = max(source.stat().st_mtime_ns, Path(__file__).stat().st_mtime_ns)
    return any(
        not product.is_file() or product.stat().st_mtime_ns < newest for product in products(source)
    )


def _generate(files: list[Path]) -> int:
    # protoc finds its plug-in through PATH; an interpreter run by its full path has no such entry.
    scripts = os.pathsep.join((sysconfig.get_path("scripts"), str(Path(sys.executable).parent)))
    environment = os.environ | {"PATH": os.pathsep.join((scripts, os.environ.get("PATH", "")))}
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}"]
    command += [f"--{kind}={ROOT}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    command += [f"--mypy_grpc_out={ROOT}", *(str(path) for path in files)]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
