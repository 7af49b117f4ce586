"""What a pod is made from: good and bad specifications, and boots that fail half way."""

from __future__ import annotations

import asyncio
import os
import threading
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from pod_node.engine import EngineRuntime, KernelMissingError
from pod_node.engine.errors import DamagedArtifactError, InvalidModuleError, TooManyNetworksError
from pod_node.errors import (
    BootError,
    NetworkConflictError,
    NetworkNotAttachedError,
    PodNodeError,
)
from pod_node.spec import ExitKind, Interface, Mount, PodExit, PodSpec
from tests.support.lab import FRONT_GATEWAY, Lab, compile_text, compile_wasm, lab, shared_compiler
from tests.support.wat import command_text
from vnet.errors import SubnetOverlapError

QUICK = command_text("")
SPIN = command_text("(loop $l (br $l))")


def at(address: str, network: str = "front") -> tuple[Interface, ...]:
    return (Interface(network=network, address=IPv4Address(address), prefix=16),)


@pytest.mark.parametrize("address", ["10.10.7.7", FRONT_GATEWAY])
async def test_an_address_belongs_to_one_pod_or_the_gateway(pods: Lab, address: str) -> None:
    pods.boot(compile_text(SPIN), interfaces=at("10.10.7.7"))
    before = pods.statistics()
    with pytest.raises(BootError, match=f"{address}.*another pod's or the network's gateway"):
        pods.boot(compile_text(SPIN), interfaces=at(address))
    assert pods.statistics() == before


async def test_an_address_is_free_again_when_its_pod_is_gone(pods: Lab) -> None:
    for _ in range(3):
        guest = pods.boot(compile_text(SPIN), interfaces=at("10.10.7.7"))
        await guest.killed()


async def test_a_pod_may_have_no_interface_and_may_have_eight(pods: Lab) -> None:
    assert (await pods.boot(compile_text(QUICK), networks=()).end()).status == 0
    eight = tuple(pods.interface("front") for _ in range(8))
    assert (await pods.boot(compile_text(QUICK), interfaces=eight).end()).status == 0


async def test_more_interfaces_than_possible_are_refused_in_words(pods: Lab) -> None:
    nine = tuple(pods.interface("front") for _ in range(9))
    with pytest.raises(BootError, match="9 interfaces and 8 are possible; put it on fewer"):
        pods.boot(compile_text(QUICK), interfaces=nine)


async def test_the_same_address_twice_on_one_pod_is_refused(pods: Lab) -> None:
    before = pods.statistics()
    with pytest.raises(BootError, match="one of its addresses"):
        pods.boot(compile_text(QUICK), interfaces=at("10.10.7.7") * 2)
    assert pods.statistics() == before
    assert (await pods.boot(compile_text(QUICK), interfaces=at("10.10.7.7")).end()).status == 0


async def test_an_unknown_network_is_named(pods: Lab) -> None:
    with pytest.raises(NetworkNotAttachedError, match="network middle is not attached"):
        pods.boot(compile_text(QUICK), interfaces=at("10.10.7.7", "middle"))
    with pytest.raises(NetworkNotAttachedError, match="network middle is not attached"):
        pods.publish({}, "middle")


async def test_networks_are_attached_once_and_may_not_overlap(pods: Lab) -> None:
    runtime = pods.runtime
    runtime.attach_network("front", IPv4Network("10.10.0.0/16"))
    with pytest.raises(NetworkConflictError, match=r"exists with 10\.10\.0\.0/16"):
        runtime.attach_network("front", IPv4Network("10.11.0.0/16"))
    with pytest.raises(SubnetOverlapError, match='"other" overlaps'):
        runtime.attach_network("other", IPv4Network("10.10.5.0/24"))


async def test_a_node_says_how_many_networks_it_can_have(pods: Lab) -> None:
    def attach_many() -> None:
        for number in range(100):
            pods.runtime.attach_network(f"net-{number}", IPv4Network((f"172.16.{number}.0", 24)))

    with pytest.raises(TooManyNetworksError, match="at most 64; use fewer networks"):
        attach_many()
    assert (await pods.boot(compile_text(QUICK)).end()).status == 0


async def test_a_mount_must_be_a_folder_or_a_file(pods: Lab, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "missing", tmp_path / "pipe"):
        mount = Mount(source=source, target="/data")
        with pytest.raises(BootError, match=f"{source} is no folder and no file; it was to be"):
            pods.boot(compile_text(QUICK), mounts=(mount,))


@pytest.mark.parametrize(
    ("argument", "reason"),
    [("a\0b", "argument 1 has a NUL"), ("\udcff", "argument 1 is not valid Unicode")],
)
async def test_arguments_that_no_guest_could_read_are_refused(
    pods: Lab, argument: str, reason: str
) -> None:
    before = pods.statistics()
    with pytest.raises(BootError, match=reason):
        pods.boot(compile_text(QUICK), "program", argument)
    assert pods.statistics() == before


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        (("NA\0ME", "x"), "a variable's name has a NUL"),
        (("NAME", "x\0"), "the variable NAME has a NUL"),
        (("NAME", "\ud800"), "the variable NAME is not valid Unicode"),
    ],
)
async def test_variables_that_no_guest_could_read_are_refused(
    pods: Lab, variable: tuple[str, str], reason: str
) -> None:
    with pytest.raises(BootError, match=reason):
        pods.boot(compile_text(QUICK), "program", environment=(variable,))


@pytest.mark.parametrize("name", ["n" * 64, "ü" * 32, "a\0b", "\udc80"])
async def test_a_name_must_be_a_hostname(pods: Lab, name: str) -> None:
    with pytest.raises(BootError, match="its name"):
        pods.boot(compile_text(QUICK), name=name)


async def test_the_longest_name_is_the_hostname(pods: Lab) -> None:
    guest = await pods.puppet(name="n" * 63)
    assert await guest.ask("hostname") == "n" * 63 + "\n"


async def test_huge_arguments_are_refused_and_large_ones_arrive(pods: Lab) -> None:
    with pytest.raises(BootError, match="put large values into a file on a volume"):
        pods.boot(compile_text(QUICK), "program", "x" * (3 << 20))
    guest = pods.boot(compile_text(QUICK), "program", *["x" * 1000] * 1000)
    assert (await guest.end()).status == 0


async def test_a_boot_without_room_for_a_thread_gives_everything_back(
    pods: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pods.boot(compile_text(QUICK)).end()
    before = pods.statistics()

    def no_room(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_room)
        for _ in range(20):
            with pytest.raises(BootError, match=r"can't start new thread.*run fewer pods"):
                pods.boot(compile_text(QUICK), interfaces=at("10.10.7.7"))
    assert pods.statistics() == before
    assert (await pods.boot(compile_text(QUICK), interfaces=at("10.10.7.7")).end()).status == 0


async def test_a_listener_of_output_that_fails_does_not_stop_the_pod(pods: Lab) -> None:
    guest = await pods.puppet()
    heard: list[bytes] = []
    reports: list[object] = []
    pods.runtime._loop.set_exception_handler(lambda loop, context: reports.append(context))

    def hear(descriptor: int, data: bytes) -> None:
        heard.append(data)
        raise OSError("the disk is full")

    assert guest.guest.pod is not None
    guest.guest.pod._on_output = hear
    for _ in range(3):
        await guest.write(1, b"line\n")
        await guest.ask("hostname")
    guest.start("proc_exit", 3)
    assert (await guest.end()).status == 3
    assert b"".join(heard) == b"line\n" * 3
    assert reports


async def test_a_guest_is_said_to_run_before_anything_is_heard_of_it(pods: Lab) -> None:
    loop = asyncio.get_running_loop()
    heard: list[object] = []
    ended = asyncio.Event()

    def on_exit(end: PodExit) -> None:
        heard.append(end.status)
        ended.set()

    before = loop.time()
    pods.runtime.boot_artifact(
        PodSpec(name="quick", service="quick", image="guest", command=()),
        compile_text(QUICK),
        [],
        lambda descriptor, data: heard.append(data),
        on_exit,
        heard.append,
    )
    assert heard == [], "the callback comes through the loop"
    await ended.wait()
    moment, status = heard
    assert isinstance(moment, float)
    assert before < moment < loop.time()
    assert status == 0


async def test_nothing_boots_on_a_closed_runtime(pods: Lab) -> None:
    await pods.runtime.close()
    with pytest.raises(BootError, match="shutting down"):
        pods.boot(compile_text(QUICK))


async def test_two_fabrics_in_one_process_are_strangers() -> None:
    async with lab() as one, lab() as other:
        first, second = await one.puppet(), await other.puppet()
        assert first.guest.address == second.guest.address
        await first.listen(80)
        await second.listen(80)


async def test_a_missing_kernel_is_named(
    pods: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pod_node.engine import Compiler, compiler

    monkeypatch.setattr(compiler, "files", lambda package: tmp_path)
    with pytest.raises(KernelMissingError, match="make kernel"):
        EngineRuntime(Compiler(shared_compiler().engine))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('(module (import "env" "f" (func)) {memory} {start})', '"env" "f", which pods do not'),
        ('(module (import "wasi_snapshot_preview1" "f" (func)) {memory} {start})', '"f"'),
        ('(module (import "wasi_snapshot_preview1" "m" (memory 1)) {start})', '"m"'),
        ('(module (import "wasi_snapshot_preview1" "host_boot" (func)) {memory} {start})',
         '"host_boot", which pods do not have'),
        ('(module (import "wasi_snapshot_preview1" "__stack_pointer" (global (mut i32)))'
         "{memory} {start})", '"__stack_pointer", which pods do not have'),
        ('(module (import "wasi_snapshot_preview1" "fd_read" (func)) {memory} {start})',
         r"fd_read\" as \(\), and pods have it as \(param i32 i32 i32 i32\)"),
        ('(module (import "wasi_snapshot_preview1" "random_get" (func)) {memory} {start})',
         'random_get" as'),
        ("(module {start})", 'exports no "memory"'),
        ("(module {memory})", 'exports no "_start"'),
        ('(module {memory} (global (export "_start") i32 (i32.const 0)))', 'exports no "_start"'),
        ('(module (func (export "memory")) {start})', 'exports no "memory"'),
        ('(module (memory (export "memory") 1 2 shared) {start})', "memory is shared"),
        ('(module (memory (export "memory") i64 1) {start})', "memory is 64-bit"),
        ('(module {memory} (func (export "_start") (param i32)))', "takes arguments"),
        ('(module {memory} (func (export "_start") (result i32) (i32.const 0)))', "result"),
    ],
)  # fmt: skip
async def test_a_module_that_pods_cannot_run_is_refused(pods: Lab, text: str, reason: str) -> None:
    filled = text.replace("{memory}", '(memory (export "memory") 1)').replace(
        "{start}", '(func (export "_start"))'
    )
    before = pods.statistics()
    with pytest.raises(PodNodeError, match=reason):
        pods.boot(compile_text(filled))
    assert pods.statistics() == before


@pytest.mark.parametrize("module", [b"", b"hello", b"\0asm\1\0\0\0garbage", b"\0asm\x0d\0\1\0"])
def test_what_is_no_module_cannot_be_compiled(module: bytes) -> None:
    with pytest.raises(InvalidModuleError, match=r"cannot be compiled .* wasm32-wasi"):
        compile_wasm(module)


async def test_a_damaged_or_missing_artifact_is_named(pods: Lab, tmp_path: Path) -> None:
    artifact = tmp_path / "module.cwasm"
    with pytest.raises(DamagedArtifactError, match=f"{artifact}.*prepare its image again"):
        pods.boot(artifact)
    artifact.write_bytes(b"no compiled module")
    with pytest.raises(DamagedArtifactError, match="cannot be read"):
        pods.boot(artifact)


async def test_a_function_may_be_imported_twice(pods: Lab) -> None:
    wasi = "wasi_snapshot_preview1"
    text = f"""(module
      (import "{wasi}" "proc_exit" (func $a (param i32)))
      (import "{wasi}" "sched_yield" (func $b (result i32)))
      (import "{wasi}" "proc_exit" (func $c (param i32)))
      (import "{wasi}" "sched_yield" (func $d (result i32)))
      (memory (export "memory") 1)
      (func (export "_start") (drop (call $b)) (drop (call $d)) (call $c (i32.const 5))))"""
    end = await pods.boot_text(text).end()
    assert (end.kind, end.status) == (ExitKind.EXITED, 5)
