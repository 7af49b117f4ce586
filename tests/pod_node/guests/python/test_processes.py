"""`subprocess`, `os`, `signal` and `asyncio`'s subprocesses, unmodified, in a pod."""

from __future__ import annotations

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
