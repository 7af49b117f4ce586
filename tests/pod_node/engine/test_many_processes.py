"""Pods with many processes: killed, paused, bounded, and nothing of them stays."""

from __future__ import annotations

import asyncio

from pod_node.executing import ProgramCall
from pod_node.spec import ExitKind, Limits, PodExit
from tests.pod_node.engine.test_leaks import Footprint
from tests.support.lab import Lab, declare, eventually
from tests.support.puppet import Puppet
from tests.support.wat import Op, command_text

CROWD = 50

# Spawns itself for ever, and goes on when it is told that it cannot.
_BOMB = command_text(
    "(loop $for_ever (drop (call $proc_spawn (i32.const 64) (i32.const 6) (i32.const 8)))"
    " (br $for_ever))",
    declare("proc_spawn"),
)
BOMB = _BOMB[:-1] + '(data (i32.const 64) "abomb\\00"))'


async def crowd(pods: Lab, main: Puppet) -> list[Puppet]:
    return [await pods.spawn_puppet(main) for _ in range(CROWD)]


async def test_killing_a_pod_ends_all_its_processes(pods: Lab) -> None:
    main = await pods.puppet()
    children = await crowd(pods, main)
    for child in children[::2]:
        child.tell(Op.SPIN)
    end = await main.kill()
    assert (end.kind, end.status) == (ExitKind.KILLED, 137)
    for child in children:
        await child.gone()


async def test_a_paused_pod_s_processes_all_stand_still_and_go_on(pods: Lab) -> None:
    main = await pods.puppet()
    children = await crowd(pods, main)
    spinner = await pods.spawn_puppet(main)
    spinner.tell(Op.SPIN)
    pod = main.guest.pod
    assert pod is not None
    pod.pause()
    await eventually(lambda: pod.frozen)
    for child in children:
        child.start("proc_id", 0, 8)
    used_s = pod.usage().cpu_time_s
    await eventually(lambda: pod.frozen)
    assert pod.usage().cpu_time_s - used_s < 0.05
    pod.resume()
    for child in children:
        assert await child.answer() == 0
    await main.kill()


async def test_a_fork_bomb_stays_within_its_pod(pods: Lab) -> None:
    neighbour = await pods.puppet()
    bomb = pods.boot_text(BOMB, limits=Limits(processes=20))
    pod = bomb.pod
    assert pod is not None
    await eventually(lambda: len(pod._guests) == 20)
    child = await pods.spawn_puppet(neighbour)
    await child.write(1, b"the neighbour spawns")
    await neighbour.guest.printed(b"the neighbour spawns")
    assert len(pod._guests) == 20
    assert (await bomb.killed()).kind is ExitKind.KILLED


async def test_processes_come_and_go_and_leave_nothing(pods: Lab) -> None:
    main = await pods.puppet()

    async def round_() -> None:
        children = [await pods.spawn_puppet(main) for _ in range(20)]
        for child in children:
            child.start("proc_exit", 0)
        for child in children:
            assert await main.wait(child.number) == (child.number, 0)
            await child.gone()

    await round_()
    fabric, system = pods.statistics(), Footprint.now()
    for _ in range(4):
        await round_()
    assert pods.statistics() == fabric
    Footprint.now().assert_not_above(system)


async def test_a_pod_that_ends_takes_a_crowd_along_and_leaves_nothing(pods: Lab) -> None:
    fabric = None
    for _ in range(3):
        main = await pods.puppet()
        children = await crowd(pods, main)
        main.tell(Op.RETURN)
        assert (await main.end()).status == 0
        for puppet in (main, *children):
            await puppet.gone()
        fabric = fabric or pods.statistics()
        assert pods.statistics() == fabric


async def test_the_node_runs_programs_in_a_pod(pods: Lab) -> None:
    main = await pods.puppet()
    assert main.guest.pod is not None
    heard: list[tuple[int, bytes]] = []
    ends: asyncio.Queue[PodExit] = asyncio.Queue()
    process = main.guest.pod.exec(
        ProgramCall(arguments=(pods.puppet_path,)),
        lambda descriptor, data: heard.append((descriptor, data)),
        ends.put_nowait,
    )
    program = await pods.spawned(main, process.pid)
    assert (await program.own_id(1), await program.own_id(2)) == (0 + 1, process.pid)
    await process.write(b"typed")
    assert await program.read(0) == b"typed"
    process.end_input()
    assert await program.read(0) == b""
    await program.write(1, b"out")
    await program.write(2, b"err")
    child = await pods.spawn_puppet(program)
    program.start("proc_exit", 9)
    end = await ends.get()
    assert (end.kind, end.status) == (ExitKind.EXITED, 9)
    assert sorted(heard) == [(1, b"out"), (2, b"err")]
    assert await child.own_id(1) == 1
    await main.kill()


async def test_a_signal_to_an_executed_program_reaches_what_it_started(pods: Lab) -> None:
    main = await pods.puppet()
    assert main.guest.pod is not None
    ends: asyncio.Queue[PodExit] = asyncio.Queue()
    process = main.guest.pod.exec(
        ProgramCall(arguments=(pods.puppet_path,)), lambda *_: None, ends.put_nowait
    )
    program = await pods.spawned(main, process.pid)
    child = await pods.spawn_puppet(program)
    child.tell(Op.SPIN)
    process.signal(15)
    assert (await ends.get()).status == 128 + 15
    await child.gone()
    assert await main.own_id(0) == 1
    await main.kill()
