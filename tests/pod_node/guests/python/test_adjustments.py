"""What differs in a build without threads and signals, and that little else does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pod_node.spec import Mount
from tests.pod_node.guests.python.conftest import PodNetwork


async def test_starting_a_thread_says_that_there_are_none(pods: PodNetwork) -> None:
    pod = pods.run(
        """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor()
        for start in threading.Thread(target=print).start, lambda: pool.submit(print):
            try:
                start()
            except RuntimeError as error:
                print(error)
        """
    )
    lines = (await pod.finished()).splitlines()
    assert len(lines) == 2
    assert all("without threads; use asyncio" in line for line in lines)


async def test_functions_for_the_default_executor_run_at_once(pods: PodNetwork) -> None:
    pod = pods.run(
        """
        import asyncio
        def fail():
            raise KeyError("so")
        async def main():
            loop = asyncio.get_running_loop()
            print(await loop.run_in_executor(None, pow, 2, 5))
            print(await asyncio.to_thread(pow, 2, exp=6))
            try:
                await asyncio.to_thread(fail)
            except KeyError as error:
                print(error.args[0])
            print((await loop.getaddrinfo("localhost", 80))[0][4][0])
        asyncio.run(main())
        """
    )
    assert (await pod.finished()).split() == ["32", "64", "so", "127.0.0.1"]


async def test_asyncio_hears_signals_that_the_program_raises(pods: PodNetwork) -> None:
    pod = pods.run(
        """
        import asyncio, signal
        async def main():
            loop, heard = asyncio.get_running_loop(), asyncio.Event()
            loop.add_signal_handler(signal.SIGTERM, heard.set)
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(heard.wait(), 10)
            print("heard", loop.remove_signal_handler(signal.SIGTERM))
            try:
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                print("interrupted")
                raise
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("as usual")
        """
    )
    assert (await pod.finished()).split() == ["heard", "True", "interrupted", "as", "usual"]


async def test_select_takes_descriptors_of_any_number(pods: PodNetwork) -> None:
    pod = pods.run(
        """
        import os, select, socket
        others = [os.open("/net/hostname", os.O_RDONLY) for _ in range(1100)]
        a, b = socket.socketpair()
        print(a.fileno() > 1024, [len(part) for part in select.select([a, b], [a, b], [], 0)])
        b.send(b"x")
        print(select.select([a], [], [], 10) == ([a], [], []))
        for bad in ([-1], [], []), ([a], [], [], -1):
            try:
                select.select(*bad)
            except ValueError:
                print("ValueError")
        """
    )
    assert (await pod.finished()).splitlines() == [
        "True [0, 2, 0]", "True", "ValueError", "ValueError",
    ]  # fmt: skip


async def test_kinds_of_sockets_that_do_not_exist_say_so(pods: PodNetwork) -> None:
    pod = pods.run(
        """
        import errno, json, socket
        def refusal(*kind):
            try:
                socket.socket(*kind)
            except OSError as error:
                return [errno.errorcode[error.errno], error.strerror]
        print(json.dumps([
            refusal(socket.AF_INET, socket.SOCK_RAW),
            refusal(socket.AF_INET6),
            refusal(socket.AF_UNIX),
            socket.has_ipv6,
        ]))
        """
    )
    raw, ipv6, unix, has_ipv6 = json.loads(await pod.finished())
    assert raw[0] == "EPROTONOSUPPORT"
    assert (ipv6[0], unix[0], has_ipv6) == ("EAFNOSUPPORT", "EAFNOSUPPORT", False)


async def test_a_start_loads_nothing_but_the_hook(pods: PodNetwork) -> None:
    code = "import sys; print(*sorted(sys.modules))"
    ours = set((await pods.boot("-c", code).finished()).split())
    bare = set((await pods.boot("-S", "-c", "import site, os;" + code).finished()).split())
    assert ours - bare == {"sitecustomize"}


async def test_the_programs_own_sitecustomize_still_runs(pods: PodNetwork, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('mine', __name__)\n")
    pod = pods.run(
        "import sitecustomize, socket; print(sitecustomize.__file__, socket.gethostname())",
        mounts=(Mount(source=tmp_path, target="/own", read_only=True),),
        environment=(("PYTHONPATH", "/own"),),
        name="named",
    )
    assert (await pod.finished()).splitlines() == [
        "mine sitecustomize", "/own/sitecustomize.py named",
    ]  # fmt: skip


async def test_a_program_starts_in_its_working_folder(pods: PodNetwork, tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("found\n")
    pod = pods.run(
        "print(open('here.txt').read())",
        mounts=(Mount(source=tmp_path, target="/files", read_only=True),),
        working_dir="/files",
    )
    assert (await pod.finished()).strip() == "found"


@pytest.mark.parametrize(
    ("folder", "reason"),
    [("/files/nope", "No such file or directory"), ("/files/file", "Not a directory")],
)
async def test_a_working_folder_that_is_none_ends_the_pod_with_one_line(
    pods: PodNetwork, tmp_path: Path, folder: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    mounts = (Mount(source=tmp_path, target="/files", read_only=True),)
    pod = pods.run("print('running')", mounts=mounts, working_dir=folder)
    end = await pod.ended_somehow()
    assert (end.status, pod.output) == (126, "")
    assert pod.errors == (
        f'cannot start in working_dir "{folder}": {reason}; is it on a volume of the pod?\n'
    )


async def test_a_line_is_heard_when_it_is_printed_and_a_piece_of_one_is_not(
    pods: PodNetwork,
) -> None:
    pod = pods.run(
        """
        import os, select
        print("a", "b")
        print("kept back", end="")
        os.write(2, b"waiting")
        select.select([], [], [])
        """
    )
    await pod.printed("a b\n")
    await pod.complained("waiting")
    pod.kill()
    await pod.ended_somehow()
    assert pod.output == "a b\n"


async def test_a_program_may_be_unbuffered_or_buffered_in_blocks(pods: PodNetwork) -> None:
    code = "import select; print('piece', end=''); select.select([], [], [])"
    await pods.run(code, environment=(("PYTHONUNBUFFERED", "1"),)).printed("piece")
    pod = pods.run(
        """
        import os, sys
        sys.stdout.reconfigure(line_buffering=False)
        print("never heard")
        os._exit(0)
        """
    )
    assert await pod.finished() == ""
