"""The C headers: what compiles, and that programs see the sockets that Linux gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pod_node.guests.c.rig import (
    EXAMPLE,
    CPods,
    build_for_pod,
    check_for_pod,
    run_natively,
)

PROGRAMS = Path(__file__).parent / "programs"
# The compiler builds its C library first when it has not yet, which takes half a minute or more.
BUILDS = pytest.mark.timeout(180)


@pytest.mark.parametrize("standard", ["c99", "c11", "gnu17"])
def test_the_headers_compile_without_warnings_in_every_c_standard(
    standard: str, tmp_path: Path
) -> None:
    source = tmp_path / "program.c"
    source.write_text(
        "#include <podnet/socket.h>\n#include <spawn.h>\nint main(void) { return 0; }\n"
    )
    check_for_pod(source, f"-std={standard}")


def test_the_headers_compile_without_warnings_in_cpp(tmp_path: Path) -> None:
    source = tmp_path / "program.cpp"
    source.write_text(
        "#include <podnet/socket.h>\n#include <podnet/process.h>\n"
        "int main() { return ::socket(AF_INET, SOCK_STREAM, 0) < 0; }\n"
    )
    check_for_pod(source, "-std=c++17")


@pytest.mark.parametrize(
    "header",
    [
        "sys/socket.h",
        "netinet/in.h",
        "netinet/tcp.h",
        "arpa/inet.h",
        "netdb.h",
        "spawn.h",
        "sys/wait.h",
    ],
)
def test_each_header_stands_alone(header: str, tmp_path: Path) -> None:
    source = tmp_path / "program.c"
    source.write_text(f"#include <{header}>\nint main(void) {{ return 0; }}\n")
    check_for_pod(source)


@BUILDS
def test_two_objects_that_include_the_headers_link(tmp_path: Path) -> None:
    other, source = tmp_path / "other.c", tmp_path / "program.c"
    other.write_text(
        "#include <sys/socket.h>\nint other(void);\n"
        "int other(void) { return socket(AF_INET, SOCK_STREAM, 0); }\n"
    )
    source.write_text(
        "#include <sys/socket.h>\nint other(void);\n"
        "int main(void) { return other() == socket(AF_INET, SOCK_STREAM, 0); }\n"
    )
    build_for_pod(tmp_path / "program.wasm", source, other)


@BUILDS
@pytest.mark.parametrize("program", ["conversation.c", "datagrams.c", "processes.c"])
async def test_a_program_sees_the_sockets_of_linux(
    pods: CPods, tmp_path: Path, program: str
) -> None:
    source = PROGRAMS / program
    assert await pods.boot(source).finished() == run_natively(source, tmp_path)


@BUILDS
async def test_the_example_answers_its_client(pods: CPods) -> None:
    server = pods.boot(EXAMPLE / "web.c")
    await server.printed.wait()
    answer = await pods.boot(EXAMPLE / "fetch.c", "web").finished()
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert answer.rstrip().endswith(f"this is web at {server.address}:8080")


@BUILDS
async def test_the_datagram_example_sends_back_every_word(pods: CPods) -> None:
    server = pods.boot(EXAMPLE / "echo.c", "7")
    await server.printed.wait()
    words = ("each", "a", "datagram")
    answer = await pods.boot(EXAMPLE / "echo.c", server.address, "7", *words).finished()
    assert answer.split() == list(words)
