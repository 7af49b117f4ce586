"""The compiler, the runner of single modules, the linking modules' texts, and the errors."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pod_node.engine import GuestRunner, errors, modules
from pod_node.engine.guest import THREAD_STACK_BYTES
from pod_node.engine.modules import KERNEL_STACK_RESERVE_BYTES, Function, Signature
from pod_node.errors import PodNodeError
from pod_node.fingerprint import WASM_STACK_BYTES, fingerprint
from pod_node.spec import Mount, PodSpec
from tests.support.lab import (
    Guest,
    Lab,
    compile_text,
    compile_wasm,
    declare,
    python_image,
    shared_compiler,
)
from tests.support.wat import command_text

SAYS_HELLO = command_text(
    """(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 6))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $proc_exit (i32.const 4))) (data (i32.const 16) "hello\\n") (func""",
    declare("fd_write", "proc_exit"),
)


@pytest.mark.parametrize(
    "error",
    [
        errors.KernelMissingError("/there"),
        errors.UnsupportedModuleError("image", "a reason"),
        errors.InvalidModuleError("a reason"),
        errors.DamagedArtifactError("/there", "a reason"),
        errors.TooManyNetworksError("front", 64),
    ],
)
def test_errors_survive_pickling_and_are_one_line(error: PodNodeError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert "\n" not in str(error)


def test_what_was_compiled_once_is_kept() -> None:
    compiler = shared_compiler()
    assert compiler.text("(module)") is compiler.text("(module)")
    assert compiler.kernel() is compiler.kernel()


def test_the_fingerprint_is_the_same_every_time() -> None:
    assert fingerprint() == fingerprint()
    assert str(WASM_STACK_BYTES) in fingerprint()


def test_a_thread_has_room_for_wasm_and_the_engine_below_it() -> None:
    assert THREAD_STACK_BYTES >= 4 * WASM_STACK_BYTES
    assert KERNEL_STACK_RESERVE_BYTES < WASM_STACK_BYTES // 16


def test_a_signature_is_written_as_text() -> None:
    assert Signature((), ()).text() == ""
    assert Signature(("i32", "i64"), ("i32",)).text() == "(param i32 i64) (result i32)"
    assert Signature(("i32", "i64"), ()).arguments() == "(local.get 0) (local.get 1)"


@pytest.mark.parametrize("count", [0, 1, 100])
def test_the_linking_modules_are_valid_for_any_number_of_imports(count: int) -> None:
    imports = [Function(f"f{n}", Signature(("i32",) * (n % 5), ("i64",))) for n in range(count)]
    shared_compiler().text(modules.shim(imports))
    shared_compiler().text(modules.fixup(imports))


def test_a_module_is_run_once_without_a_kernel() -> None:
    run = GuestRunner(shared_compiler())
    assert run(compile_text(SAYS_HELLO), ["program"], []) == (4, "hello\n")
    assert run(compile_text(command_text("")), [], []) == (0, "")
    assert run(compile_text(command_text("unreachable")), [], []) == (134, "")


async def test_a_guest_without_imports_runs(pods: Lab) -> None:
    text = '(module (memory (export "memory") 1) (func (export "_start")))'
    assert (await pods.boot_text(text).end()).status == 0


async def test_output_and_status_arrive(pods: Lab) -> None:
    guest = pods.boot_text(SAYS_HELLO)
    assert (await guest.end()).status == 4
    assert guest.output == b"hello\n"


async def test_one_image_boots_many_pods_from_one_artifact(pods: Lab) -> None:
    guests = [pods.boot_text(SAYS_HELLO) for _ in range(50)]
    assert {(await guest.end()).status for guest in guests} == {4}


async def test_a_python_pod_starts_in_its_working_folder(pods: Lab, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("import os; print(os.getcwd(), os.listdir('.'))")
    interface = pods.interface("front")
    spec = PodSpec(
        name="python-1",
        service="python",
        image="python",
        command=("python", "-Bm", "module"),
        working_dir="/app",
        mounts=(Mount(source=tmp_path, target="/app"),),
        interfaces=(interface,),
    )
    guest = Guest(spec.name, str(interface.address))
    guest.pod = pods.runtime.boot(spec, python_image(), guest.hear, guest.ended)
    assert (await guest.end()).status == 0, guest.errors
    assert guest.output == b"/app ['module.py']\n"


def test_a_compiled_module_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.cwasm"
    path.write_bytes(compile_text(SAYS_HELLO).read_bytes()[:-100])
    with pytest.raises(errors.DamagedArtifactError):
        shared_compiler().load(path)
    with pytest.raises(errors.InvalidModuleError):
        compile_wasm(b"\x7fELF")
