from __future__ import annotations

import io
import os
import threading

import pytest

from orchestrator.cli import printer as printer_module
from orchestrator.cli.printer import Printer


def ignore() -> None:
    """Nobody is told."""


def test_texts_come_out_in_order_on_their_streams(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(ignore)
    for number in range(100):
        printer.out(f"{number}\n")
    printer.err("trouble\n")
    assert printer.close(5.0)
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [str(number) for number in range(100)]
    assert captured.err == "trouble\n"


class StuckStream(io.StringIO):
    """A terminal that was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.waiting = threading.Event()

    def write(self, text: str) -> int:
        self.waiting.set()
        self.go_on.wait()
        return super().write(text)


def test_a_stopped_terminal_stops_nobody_and_the_gap_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = StuckStream()
    errors = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("sys.stderr", errors)
    printer = Printer(ignore)
    printer.out("first\n")
    assert stream.waiting.wait(5.0)
    for number in range(printer_module.PENDING + 100):
        printer.out(f"{number}\n")
    assert not printer.close(0.01)
    stream.go_on.set()
    while not printer._queue.empty():
        stream.waiting.wait(1.0)
    printer.out("after\n")
    assert printer.close(5.0)
    assert stream.getvalue().endswith("after\n")
    assert "chunks of output are not shown" in errors.getvalue()


def test_a_closed_pipe_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    broken = threading.Event()
    stream = io.TextIOWrapper(io.FileIO(writer, "w"), write_through=True)
    monkeypatch.setattr("sys.stdout", stream)
    printer = Printer(broken.set)
    printer.out("x\n")
    assert broken.wait(5.0)
    monkeypatch.undo()
    assert printer.close(5.0)
    stream.close()
