"""Unmodified CPython doing with its root, a tmpfs and a volume what programs do with files."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pod_node.files import Roots
from pod_node.spec import Mount, PodSpec, Tmpfs
from tests.support.lab import Guest, Lab, python_image


async def run_python(
    pods: Lab, roots: Roots, code: str, *mounts: Mount, working_dir: str = "/"
) -> str:
    image = python_image()
    spec = PodSpec(
        name="web-1",
        service="web",
        image="python",
        command=("python", "-c", textwrap.dedent(code)),
        mounts=mounts,
        tmpfs=(Tmpfs(target="/memory"),),
        interfaces=(pods.interface("front"),),
        working_dir=working_dir,
    )
    guest = Guest(spec.name, "")
    folders = roots.open(spec, (*image.mounts, *mounts))
    guest.pod = pods.runtime.boot(spec, image, guest.hear, guest.ended, None, folders)
    end = await guest.end()
    assert (end.status, guest.errors.decode()) == (0, "")
    return guest.output.decode()


PROGRAMS = {
    "tempfile": """
        import os, tempfile
        assert tempfile.gettempdir() == "/tmp"
        with tempfile.TemporaryFile() as file, tempfile.NamedTemporaryFile("w+") as named:
            file.write(b"x" * 100_000); file.seek(0); assert len(file.read()) == 100_000
            named.write("hello"); named.flush()
            assert os.stat(named.name).st_size == 5
        with tempfile.TemporaryDirectory() as folder:
            open(os.path.join(folder, "x"), "w").close()
        assert not os.path.exists(folder)
        with tempfile.SpooledTemporaryFile(max_size=10) as spooled:
            spooled.write(b"y" * 1000); spooled.seek(0); assert len(spooled.read()) == 1000
    """,
    "shutil": """
        import os, shutil
        for place in ("/tmp", "/memory", "/data"):
            os.makedirs(f"{place}/from/deep/er"); open(f"{place}/from/deep/er/file", "w").write("1")
            shutil.copytree(f"{place}/from", f"{place}/to")
            assert open(f"{place}/to/deep/er/file").read() == "1"
            shutil.move(f"{place}/to", f"{place}/moved")
            shutil.move(f"{place}/moved", "/root/moved")
            assert open("/root/moved/deep/er/file").read() == "1"
            shutil.rmtree("/root/moved"); shutil.rmtree(f"{place}/from")
            assert os.listdir(place) == []
    """,
    "links": """
        import os, pathlib, shutil
        os.mkdir("/tmp/d"); open("/tmp/d/file", "w").write("text")
        os.symlink("/tmp/d/file", "/tmp/absolute"); os.symlink("d", "/tmp/folder")
        assert os.readlink("/tmp/absolute") == "/tmp/d/file"
        assert pathlib.Path("/tmp/absolute").resolve() == pathlib.Path("/tmp/d/file")
        assert os.path.realpath("/tmp/folder/../folder/file") == "/tmp/d/file"
        assert open("/tmp/folder/file").read() == open("/tmp/absolute").read() == "text"
        os.link("/tmp/d/file", "/tmp/hard"); assert os.stat("/tmp/hard").st_nlink == 2
        shutil.copytree("/tmp", "/root/copy", symlinks=True)
        assert os.readlink("/root/copy/absolute") == "/tmp/d/file"
        assert os.path.islink("/root/copy/folder")
    """,
    "devices": """
        import os, subprocess
        with open(os.devnull, "w") as null:
            print("nobody reads this", file=null)
        assert open("/dev/null").read() == "" and open("/dev/zero", "rb").read(10) == bytes(10)
        done = subprocess.run(
            ["python", "-c", "import sys; print(sys.stdin.read() == ''); sys.exit(3)"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        assert done.returncode == 3
        assert "null" in os.listdir("/dev")
    """,
    "walk": """
        import os
        seen = {folder: (set(folders), set(files)) for folder, folders, files in os.walk("/")}
        assert {"tmp", "etc", "root", "net", "data", "memory"} <= seen["/"][0], seen["/"]
        assert "hosts" in seen["/etc"][1] and "note" in seen["/data"][1]
    """,
    "stat": """
        import os, stat
        open("/tmp/file", "w").write("12345")
        found = os.stat("/tmp/file")
        assert stat.S_ISREG(found.st_mode) and found.st_size == 5
        os.utime("/tmp/file", (1, 2)); assert os.stat("/tmp/file").st_mtime == 2
        os.truncate("/tmp/file", 2); assert open("/tmp/file").read() == "12"
        os.rename("/tmp/file", "/root/file"); os.replace("/root/file", "/etc/hostname")
        assert open("/etc/hostname").read() == "12"
        try: os.rename("/etc/hostname", "/data/x")
        except OSError as error: assert "Cross-device" in str(error)
        else: raise SystemExit("moved to another file system")
    """,
    "sqlite": """
        import sqlite3
        for place in ("/tmp", "/data", "/memory"):
            with sqlite3.connect(f"{place}/db.sqlite") as base:
                base.execute("create table t (n integer, s text)")
                base.executemany("insert into t values (?, ?)", ((n, "x" * n) for n in range(500)))
            with sqlite3.connect(f"{place}/db.sqlite") as base:
                assert base.execute("select sum(n), max(length(s)) from t").fetchone() == (
                    124750, 499)
                base.execute("vacuum")
    """,
    "pathlib": """
        from pathlib import Path
        for number in range(20):
            folder = Path(f"/tmp/tree/{number % 4}"); folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.txt").write_text(str(number))
        found = sorted(int(path.stem) for path in Path("/tmp").glob("**/*.txt"))
        assert found == list(range(20)), found
        assert len(list(Path("/tmp/tree").rglob("*"))) == 24
        assert Path("/data").exists() and not Path("/nothing").exists()
        Path("/tmp/tree/0/0.txt").rename("/tmp/zero"); assert Path("/tmp/zero").read_text() == "0"
    """,
    "zipfile": """
        import io, os, tarfile, zipfile
        with zipfile.ZipFile("/tmp/a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("deep/file", "text" * 1000)
        zipfile.ZipFile("/tmp/a.zip").extractall("/root/out")
        assert os.stat("/root/out/deep/file").st_size == 4000
        with tarfile.open("/memory/a.tar", "w") as archive: archive.add("/root/out", "out")
        with tarfile.open("/memory/a.tar") as archive: archive.extractall("/data/tar")
        assert open("/data/tar/out/deep/file").read() == "text" * 1000
    """,
    "logging": """
        import logging, logging.handlers, os
        log = logging.getLogger("x")
        handler = logging.handlers.RotatingFileHandler("/tmp/log", maxBytes=500, backupCount=2)
        log.addHandler(handler)
        for number in range(300): log.warning("line %d", number)
        assert sorted(os.listdir("/tmp")) == ["log", "log.1", "log.2"]
    """,
    "working folder": """
        import os
        assert os.getcwd() == "/srv/app", os.getcwd()
        open("here", "w").write("x"); assert os.path.exists("/srv/app/here")
        os.chdir("/tmp"); assert not os.path.exists("here")
    """,
    "resolver": """
        lines = open("/etc/resolv.conf").read().split()
        assert lines == ["nameserver", "10.10.0.1"], lines
        assert open("/etc/passwd").readline().startswith("root:x:0:0:")
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
async def test_python_does_with_files_what_programs_do(
    pods: Lab, roots: Roots, tmp_path: Path, name: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if name == "walk":
        (data / "note").touch()
    mount = Mount(source=data, target="/data")
    working_dir = "/srv/app" if name == "working folder" else "/"
    await run_python(pods, roots, PROGRAMS[name], mount, working_dir=working_dir)
