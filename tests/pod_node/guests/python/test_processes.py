"""`subprocess`, `os`, `signal` and `asyncio`'s subprocesses, unmodified, in a pod."""

from __future__ import annotations

from pathlib import Path

from pod_node.spec import Mount
from tests.pod_node.guests.python.conftest import PodNetwork


async def test_subprocess_runs_feeds_reads_and_ends_programs(pods: PodNetwork) -> None:
    program = pods.run(
        """
        import os, subprocess, sys
        from subprocess import DEVNULL, PIPE, STDOUT, Popen, run
        python = [sys.executable, "-c"]
        done = run([*python, "import sys; print(sys.argv[1:], input()); sys.exit(3)", "a", "b c"],
                   input="typed", text=True, capture_output=True)
        print(done.returncode, done.stdout.strip(), repr(done.stderr))
        print(subprocess.check_output(["python", "-c", "import os; print(os.environ['A'])"],
                                      env={"A": "b"}))
        both = run([*python, "import sys; sys.stderr.write('e'); sys.stderr.flush(); print('o')"],
                   stdout=PIPE, stderr=STDOUT)
        print(both.stdout)
        print(run([*python, "print(input())"], stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL))
        for wrong in (["nope"], ["/bin/sh", "-c", "ls"]):
            try:
                run(wrong)
            except FileNotFoundError as error:
                print(type(error).__name__)
        try:
            run(["python"], cwd="/nowhere")
        except FileNotFoundError as error:
            print("no folder")
        try:
            run([*python, "import time; time.sleep(1000)"], timeout=0.05)
        except subprocess.TimeoutExpired:
            print("timed out")
        sleeper = Popen([*python, "import time; time.sleep(1000)"])
        print(sleeper.poll())
        sleeper.terminate()
        print(sleeper.wait())
        spinner = Popen([*python, "while True: pass"])
        spinner.kill()
        print(spinner.wait(), subprocess.call([*python, "raise SystemExit(9)"]))
        first = Popen([*python, "print('x' * 200_000)"], stdout=PIPE)
        second = Popen([*python, "import sys; print(len(sys.stdin.read()))"],
                       stdin=first.stdout, stdout=PIPE)
        first.stdout.close()
        print(second.communicate()[0], first.wait())
        """
    )
    output = (await program.finished()).splitlines()
    assert output[0] == "3 ['a', 'b c'] typed ''"
    assert output[1] == r"b'b\n'"
    assert output[2] == r"b'eo\n'"
    assert output[3].endswith("returncode=1)")
    assert output[4:8] == ["FileNotFoundError", "FileNotFoundError", "no folder", "timed out"]
    assert output[8:] == ["None", "-15", "-9 9", r"b'200001\n' 0"]


async def test_os_has_the_calls_beneath(pods: PodNetwork) -> None:
    program = pods.run(
        """
        import os, signal, subprocess, sys
        print(os.getpid(), os.getppid(), hasattr(os, "fork"), hasattr(os, "pipe"))
        reader, writer = os.pipe()
        os.write(writer, b"through a pipe")
        os.close(writer)
        print(os.read(reader, 100), os.read(reader, 100))
        ask = "import os; print(os.getpid(), os.getppid())"
        print(subprocess.check_output([sys.executable, "-c", ask], text=True).strip())
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        print(os.waitpid(child.pid, os.WNOHANG))
        os.kill(child.pid, signal.SIGKILL)
        pid, status = os.waitpid(child.pid, 0)
        print(pid == child.pid, os.WIFSIGNALED(status), os.WTERMSIG(status))
        print(os.waitstatus_to_exitcode(status))
        for call in (lambda: os.waitpid(-1, 0), lambda: os.kill(999, 15),
                     os.get_terminal_size):
            try:
                call()
            except OSError as error:
                print(type(error).__name__)
        """
    )
    output = (await program.finished()).splitlines()
    assert output == [
        "1 0 False True",
        "b'through a pipe' b''",
        "2 1",
        "(0, 0)",
        "True True 9",
        "-9",
        "ChildProcessError",
        "ProcessLookupError",
        "OSError",
    ]


async def test_handlers_of_signals_run(pods: PodNetwork) -> None:
    program = pods.run(
        """
        import asyncio, os, signal, subprocess, sys, time
        seen = []
        signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
        os.kill(os.getpid(), signal.SIGTERM)
        print(seen)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1000)
        except KeyboardInterrupt:
            print("interrupted")
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGHUP)

        def outcome(code, *numbers):
            child = subprocess.Popen(["python", "-c", code], stdout=subprocess.PIPE, text=True)
            child.stdout.readline()
            for number in numbers:
                child.send_signal(number)
            return child.communicate()[0].strip(), child.returncode

        waits = ("import select, time\\nprint('up', flush=True)\\n"
                 "try:\\n    {}\\nexcept KeyboardInterrupt:\\n    print('ki')")
        print(outcome(waits.format("time.sleep(1000)"), signal.SIGINT))
        print(outcome(waits.format("select.select([], [], [], 1000)"), signal.SIGINT))
        serves = ("import http.server\\ns = http.server.HTTPServer(('', 0), None)\\n"
                  "print('up', flush=True)\\n{}")
        print(outcome(serves.format("s.serve_forever()"), signal.SIGTERM))
        computes = "print('up', flush=True)\\nwhile True: pass"
        print(outcome(computes, signal.SIGTERM))
        print(outcome(computes, signal.SIGINT, signal.SIGINT))
        graceful = '''
        import asyncio, signal
        async def main():
            done = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
            print("up", flush=True)
            await done.wait()
            print("cleaned up")
        asyncio.run(main())
        '''
        import textwrap
        print(outcome(textwrap.dedent(graceful), signal.SIGTERM))
        """
    )
    assert (await program.finished()).splitlines() == [
        "[15]",
        "interrupted",
        "('ki', 0)",
        "('ki', 0)",
        "('', -15)",
        "('', -15)",
        "('', -2)",
        "('cleaned up', 0)",
    ]


async def test_asyncio_runs_programs(pods: PodNetwork) -> None:
    program = pods.run(
        """
        import asyncio, sys
        from asyncio.subprocess import PIPE

        async def main():
            echo = "import sys; [print(line.strip()[::-1], flush=True) for line in sys.stdin]"
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", echo, stdin=PIPE, stdout=PIPE)
            process.stdin.write(b"abc\\n")
            print(await process.stdout.readline())
            process.stdin.close()
            print(await process.wait())
            many = [await asyncio.create_subprocess_exec(sys.executable, "-c", f"exit({n})")
                    for n in range(3)]
            print(await asyncio.gather(*(one.wait() for one in many)))
            slow = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=PIPE)
            try:
                await asyncio.wait_for(slow.wait(), 0.05)
            except TimeoutError:
                slow.terminate()
            print(await slow.wait())

        asyncio.run(main())
        """
    )
    assert (await program.finished()).splitlines() == [r"b'cba\n'", "0", "[0, 1, 2]", "-15"]


async def test_files_are_standard_streams_of_programs(pods: PodNetwork, tmp_path: Path) -> None:
    program = pods.run(
        """
        import subprocess, sys, tempfile
        from subprocess import STDOUT, run
        python = [sys.executable, "-c"]
        with open("/files/log", "w") as log:
            print("parent", file=log, flush=True)
            run([*python, "print('child', flush=True); raise SystemExit('errors')"],
                stdout=log, stderr=STDOUT)
            print("parent again", file=log, flush=True)
            run([*python, "print('another child')"], stdout=log)
        print(open("/files/log").read().split("\\n"))
        with open("/files/appended", "a") as one, open("/files/appended", "a") as other:
            child = subprocess.Popen([*python, "print(input())"], stdin=subprocess.PIPE,
                                     stdout=one, text=True)
            print("before", file=other, flush=True)
            child.communicate("child")
            print("after", file=one, flush=True)
        print(open("/files/appended").read().split())
        with open("/files/log") as log:
            print(run([*python, "print(len(input()))"], stdin=log, capture_output=True).stdout)
        with open("/files/lines", "w+b") as lines:
            lines.write(b"first\\nsecond\\n")
            lines.seek(0)
            print(run([*python, "import os; print(os.read(0, 6))"], stdin=lines,
                      capture_output=True).stdout)
            print(lines.read())
        for temporary in (tempfile.TemporaryFile, tempfile.NamedTemporaryFile,
                          tempfile.SpooledTemporaryFile):
            with temporary(dir="/files") as file:
                print(run([*python, "print('temporary')"], stdout=file).returncode)
                file.seek(0)
                print(file.read())
        import os
        print(sorted(os.listdir("/files")))
        with open("/files/gone", "w") as gone:
            os.remove("/files/gone")
            try:
                run([*python, ""], stdout=gone)
            except OSError as error:
                print(error.strerror, error.filename)
        """,
        mounts=(Mount(source=tmp_path, target="/files"),),
    )
    assert (await program.finished()).splitlines() == [
        "['parent', 'child', 'errors', 'parent again', 'another child', '']",
        "['before', 'child', 'after']",
        r"b'6\n'",
        """b"b'first\\\\n'\\n\"""",
        r"b'second\n'",
        *("0", r"b'temporary\n'") * 3,
        "['appended', 'lines', 'log']",
        "Stale file handle /usr/bin/python3",
    ]


async def test_descriptors_are_passed_under_their_numbers(pods: PodNetwork) -> None:
    program = pods.run(
        """
        import os, socket, subprocess, sys
        python = [sys.executable, "-c"]
        listener = socket.create_server(("127.0.0.1", 0))
        serve = ("import socket, sys; from socketserver import *\\n"
                 "class Echo(StreamRequestHandler):\\n"
                 "    def handle(self): self.wfile.write(self.rfile.readline().upper())\\n"
                 "server = TCPServer(None, Echo, bind_and_activate=False)\\n"
                 "server.socket = socket.socket(fileno=int(sys.argv[1]))\\n"
                 "server.handle_request()")
        servers = [subprocess.Popen([*python, serve, str(listener.fileno())],
                                    pass_fds=[listener.fileno()]) for _ in range(2)]
        address = listener.getsockname()
        listener.close()
        for server in servers:
            with socket.create_connection(address) as client:
                client.sendall(b"hello\\n")
                print(client.recv(100))
        print([server.wait() for server in servers])
        try:
            socket.create_connection(address)
        except ConnectionRefusedError:
            print("refused")
        ours, theirs = socket.socketpair()
        reader, writer = os.pipe()
        talk = ("import os, socket, sys; numbers = list(map(int, sys.argv[1:]))\\n"
                "with socket.socket(fileno=numbers[0]) as s: s.sendall(b'socket')\\n"
                "os.write(numbers[1], b'pipe'); os.close(numbers[1])\\n"
                "try: print(os.write(numbers[2], b''))\\n"
                "except OSError as error: print(error.strerror)")
        numbers = [theirs.fileno(), writer, ours.fileno()]
        child = subprocess.Popen([*python, talk, *map(str, numbers)], pass_fds=numbers[:2],
                                 stdout=subprocess.PIPE)
        theirs.close(), os.close(writer)
        print(ours.recv(100), ours.recv(100), os.read(reader, 100), os.read(reader, 100))
        print(child.communicate()[0], child.returncode)
        reader, writer = os.pipe()
        print(os.get_inheritable(writer))
        write = "import os, sys; os.write(int(sys.argv[1]), b'inherited')"
        def written(**options):
            return subprocess.run([*python, write, str(writer)], stderr=subprocess.DEVNULL,
                                  **options).returncode
        print(written(close_fds=False))
        os.set_inheritable(writer, True)
        print(written(), written(close_fds=False), os.read(reader, 100))
        """
    )
    assert (await program.finished()).splitlines() == [
        r"b'HELLO\n'",
        r"b'HELLO\n'",
        "[0, 0]",
        "refused",
        "b'socket' b'' b'pipe' b''",
        r"b'Bad file descriptor\n' 0",
        "False",
        "1",
        "1 0 b'inherited'",
    ]
