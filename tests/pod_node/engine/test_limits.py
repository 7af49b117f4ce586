"""What one pod may use: over a limit it gets the errno of Linux, never a trap, and others go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod_node.engine.process import HOST_FILES_MOST
from pod_node.errors import BootError
from pod_node.spec import ExitKind, Limits, Mount
from tests.support.lab import Lab
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FdFlag

SCRATCH = BUFFER + 8192
PAGE = 1 << 16


@pytest.fixture
async def neighbour(pods: Lab) -> Puppet:
    return await pods.puppet(name="neighbour")


async def talks(guest: Puppet) -> None:
    """The guest can open sockets and move bytes."""
    first = await guest.open_net("tcp/pair")
    second = await guest.open_net(f"tcp/pair/{await guest.socket_id(first)}")
    await guest.write(first, b"echo")
    assert await guest.read(second) == b"echo"
    await guest.close(first)
    await guest.close(second)


async def test_memory_grows_up_to_the_limit_and_the_guest_lives_on(
    pods: Lab, neighbour: Puppet
) -> None:
    guest = await pods.puppet(limits=Limits(memory_bytes=64 * PAGE))
    assert await guest.grow(63) == -1
    assert await guest.grow(62) == 2
    assert await guest.grow(1) == -1
    assert await guest.grow(0) == 64
    await talks(guest)
    await talks(neighbour)


async def test_a_module_that_starts_above_its_memory_limit_is_told(pods: Lab) -> None:
    for pages, size in ((160, "10 MiB"), (100, "6400 KiB")):
        text = f'(module (memory (export "memory") {pages}) (func (export "_start")))'
        before = pods.statistics()
        with pytest.raises(BootError) as refusal:
            pods.boot_text(text, limits=Limits(memory_bytes=(pages - 1) * PAGE))
        assert pods.statistics() == before
        remedy = f"needs at least {size} of memory; raise deploy.resources.limits.memory"
        assert str(refusal.value).endswith(remedy)
        enough = Limits(memory_bytes=pages * PAGE)
        assert (await pods.boot_text(text, limits=enough).end()).status == 0


async def test_a_module_whose_tables_start_above_the_limit_is_told(pods: Lab) -> None:
    text = '(module (memory (export "memory") 1) (table 10000000 funcref) (func (export "_start")))'
    with pytest.raises(BootError, match="needs at least 78144 KiB of memory"):
        pods.boot_text(text, limits=Limits(memory_bytes=64 << 20))


async def test_all_processes_of_a_pod_share_its_memory(pods: Lab, neighbour: Puppet) -> None:
    guest = await pods.puppet(limits=Limits(memory_bytes=64 * PAGE))
    child = await pods.spawn_puppet(guest)
    assert await child.grow(40) == 2
    assert await guest.grow(21) == -1
    assert await guest.grow(20) == 2
    assert await child.grow(1) == -1
    assert guest.guest.pod is not None
    assert guest.guest.pod.usage().memory_bytes == 64 * PAGE
    assert await guest.try_spawn(pods.puppet_path) is Errno.NOMEM
    await talks(guest)
    await guest.checked("proc_kill", child.number, 9)
    assert await guest.wait(0) == (child.number, 9)
    assert await guest.grow(40) == 22
    second = await pods.spawn_puppet(guest)
    assert await second.grow(1) == -1
    assert await neighbour.grow(100) == 2


async def test_tables_count_as_memory(pods: Lab) -> None:
    guest = await pods.puppet(limits=Limits(memory_bytes=64 * PAGE))
    per_page = PAGE // 8
    assert await guest.grow_table(60 * per_page) == 0
    assert await guest.grow(3) == -1
    assert await guest.grow(1) == 2
    assert await guest.grow_table(2 * per_page) == -1
    assert await guest.grow_table(per_page) == 60 * per_page
    assert await guest.grow(1) == -1
    child_has_no_room = await guest.try_spawn(pods.puppet_path)
    assert child_has_no_room is Errno.NOMEM


async def test_a_count_that_is_none_takes_no_memory_back(pods: Lab) -> None:
    guest = await pods.puppet(limits=Limits(memory_bytes=64 * PAGE))
    await guest.grow(30)
    for count in (0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, 65537):
        assert await guest.grow(count) == -1
        assert await guest.grow_table(count | 0x80000000) == -1
    assert guest.guest.pod is not None
    assert guest.guest.pod.usage().memory_bytes == 32 * PAGE
    assert await guest.grow(33) == -1
    assert await guest.grow(32) == 32


async def test_what_the_engine_refuses_is_given_back(pods: Lab) -> None:
    text = """(module (memory (export "memory") 1 3) (func (export "_start")
      (if (i32.ne (memory.grow (i32.const 5)) (i32.const -1)) (then unreachable))
      (if (i32.ne (memory.grow (i32.const 2)) (i32.const 1)) (then unreachable))
      (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))))"""
    assert (await pods.boot_text(text, limits=Limits(memory_bytes=6 * PAGE)).end()).status == 0


async def test_memory_that_grows_before_the_guest_is_linked_counts(pods: Lab) -> None:
    text = """(module (memory (export "memory") 1)
      (func $early (drop (memory.grow (i32.const 4)))) (start $early)
      (func (export "_start")
        (if (i32.ne (memory.grow (i32.const 2)) (i32.const -1)) (then unreachable))
        (if (i32.ne (memory.grow (i32.const 1)) (i32.const 5)) (then unreachable))))"""
    assert (await pods.boot_text(text, limits=Limits(memory_bytes=6 * PAGE)).end()).status == 0


async def test_tables_are_limited_too(pods: Lab, neighbour: Puppet) -> None:
    guest = await pods.puppet()
    assert await guest.grow_table(1000) == 0
    assert await guest.grow_table(0x7FFFFFFF) == -1
    assert await guest.grow_table(1) == 1000
    await talks(neighbour)


@pytest.mark.parametrize(
    "extra",
    ["(memory 1)", "(memory 1 2 shared)", "(table 0 funcref)" * 40, "(table 2000000 funcref)"],
)
async def test_a_module_cannot_bring_memories_and_tables_beyond_its_limits(
    pods: Lab, extra: str
) -> None:
    text = f'(module (memory (export "memory") 1) {extra} (func (export "_start")))'
    end = await pods.boot_text(text).end()
    assert (end.kind, end.status) == (ExitKind.TRAPPED, 126)


async def test_a_module_may_have_fourteen_tables(pods: Lab) -> None:
    for count, kind in ((14, ExitKind.EXITED), (15, ExitKind.TRAPPED)):
        tables = "(table 1 funcref)" * count
        text = f'(module (memory (export "memory") 1) {tables} (func (export "_start")))'
        assert (await pods.boot_text(text).end()).kind is kind


async def test_garbage_collected_objects_are_limited_too(pods: Lab, neighbour: Puppet) -> None:
    text = """(module (memory (export "memory") 1) (type $bytes (array (mut i64)))
      (type $list (struct (field (ref null $bytes)) (field (ref null $list))))
      (global $all (mut (ref null $list)) (ref.null $list))
      (func (export "_start") (loop $more
        (global.set $all
          (struct.new $list (array.new_default $bytes (i32.const 10000)) (global.get $all)))
        (br $more))))"""
    end = await pods.boot_text(text, limits=Limits(memory_bytes=16 << 20)).end()
    assert end.kind in (ExitKind.TRAPPED, ExitKind.OUT_OF_MEMORY)
    assert "out of memory" in end.reason
    await talks(neighbour)


async def test_sockets_end_with_enobufs(pods: Lab, neighbour: Puppet) -> None:
    guest = await pods.puppet(limits=Limits(sockets=10))
    fds = []
    while not (error := await guest.try_open_net("tcp/socket")):
        fds.append(await guest.opened())
    assert error is Errno.NOBUFS
    assert len(fds) == 9, "the connection to the test is one too"
    assert await guest.try_open_net("tcp/pair") is Errno.NOBUFS
    assert await guest.try_open_net("tcp/listen/0.0.0.0/0") is Errno.NOBUFS
    assert await guest.call("sock_open", 1, 2, SCRATCH) is Errno.NOBUFS
    await talks(neighbour)
    await guest.close(fds.pop())
    await guest.close(fds.pop())
    await talks(guest)


async def test_a_listener_without_room_for_sockets_lets_connects_wait(
    pods: Lab, neighbour: Puppet
) -> None:
    guest = await pods.puppet(limits=Limits(sockets=4))
    listener = await guest.listen()
    _, port = await guest.local(listener)
    address = guest.guest.address
    for _ in range(2):
        await neighbour.connect(address, port)
    waiting = await neighbour.connect(address, port, FdFlag.NONBLOCK)
    accepted = await guest.accept(listener)
    assert await guest.accept(listener)
    assert await neighbour.try_read(waiting) is Errno.AGAIN
    await guest.close(accepted)
    third = await guest.accept(listener)
    await guest.write(third, b"at last")
    await neighbour.set_nonblocking(waiting, on=False)
    assert await neighbour.read(waiting) == b"at last"


async def test_fabric_bytes_end_with_enobufs_or_enomem_and_come_back(
    pods: Lab, neighbour: Puppet
) -> None:
    guest = await pods.puppet(limits=Limits(fabric_bytes=256 << 10))
    refused = {Errno.NOBUFS, Errno.NOMEM}
    fds = []
    while not (error := await guest.try_open_net("tcp/pair")):
        fds.append(await guest.opened())
    assert error in refused
    assert await guest.try_open_net("tcp/socket") in refused | {Errno.SUCCESS}
    assert await guest.try_open_net("hostname") in refused | {Errno.SUCCESS}
    await talks(neighbour)
    for fd in fds:
        await guest.close(fd)
    await talks(guest)


async def test_a_writer_over_its_fabric_bytes_gets_enobufs_or_has_to_wait(
    pods: Lab, neighbour: Puppet
) -> None:
    guest = await pods.puppet(limits=Limits(fabric_bytes=512 << 10))
    listener = await neighbour.listen()
    _, port = await neighbour.local(listener)
    errors = set()
    for _ in range(20):
        if await guest.try_open_net(f"tcp/connect/{neighbour.guest.address}/{port}"):
            break
        fd = await guest.opened()
        await guest.set_nonblocking(fd)
        await neighbour.accept(listener)
        for _ in range(40):
            error = await guest.try_write(fd, bytes(40_000))
            errors.add(error)
            if error:
                break
    assert errors <= {Errno.SUCCESS, Errno.AGAIN, Errno.NOBUFS}
    assert errors - {Errno.SUCCESS}
    await talks(neighbour)


async def test_a_fabric_that_is_full_refuses_pods_with_a_clear_error(pods: Lab) -> None:
    greedy = await pods.puppet(limits=Limits(fabric_bytes=1 << 40, sockets=1 << 20))
    before, _ = pods.statistics()
    while not await greedy.try_open_net("tcp/pair"):
        fd = await greedy.opened()
        await greedy.set_nonblocking(fd)
        while not await greedy.try_write(fd, bytes(80_000)):
            pass

    async def boot_many() -> None:
        for _ in range(3000):
            await pods.puppet()

    with pytest.raises(BootError, match="fabric has no room"):
        await boot_many()
    assert (await greedy.kill()).kind is ExitKind.KILLED
    await talks(await pods.puppet())
    assert pods.statistics()[0] <= before + (4 << 20)


async def test_a_pod_with_too_few_descriptors_to_begin_with_is_refused(pods: Lab) -> None:
    before = pods.statistics()
    with pytest.raises(BootError, match="limit of 3 descriptors"):
        await pods.puppet(limits=Limits(descriptors=3))
    with pytest.raises(BootError, match="fabric bytes is too small"):
        await pods.puppet(limits=Limits(fabric_bytes=100))
    assert pods.statistics()[1] == before[1] + 1, "the puppets' listener alone"


async def test_files_of_the_host_are_counted_apart(
    pods: Lab, neighbour: Puppet, tmp_path: Path
) -> None:
    """They take descriptors of the node's own process, which all pods share."""
    (tmp_path / "file").touch()
    guest = await pods.puppet(mounts=(Mount(source=tmp_path, target="/work"),))
    opened = [3]
    while not (error := await guest.try_open(3, "file")):
        opened.append(await guest.opened())
    assert (error, len(opened)) == (Errno.MFILE, HOST_FILES_MOST)
    await talks(guest)
    await guest.close(opened[-1])
    await guest.open(3, "file")
    assert await guest.try_open(3, "file") is Errno.MFILE
    await talks(neighbour)


async def test_limits_beyond_32_bits_mean_no_limit(pods: Lab) -> None:
    guest = await pods.puppet(
        limits=Limits(descriptors=1 << 40, sockets=1 << 40, fabric_bytes=1 << 70)
    )
    await talks(guest)
