"""gRPC is told how to wait before it is loaded."""

from __future__ import annotations

import subprocess
import sys

from vnet.polling import EXPERIMENTS, choose_polling


def test_what_somebody_has_set_holds() -> None:
    chosen: dict[str, str] = {}
    choose_polling(chosen)
    assert "event_engine" in chosen[EXPERIMENTS]
    own = {EXPERIMENTS: "tcp_rcv_lowat"}
    choose_polling(own)
    assert own == {EXPERIMENTS: "tcp_rcv_lowat"}


def test_grpc_knows_what_it_is_told() -> None:
    """It complains about names that a version of it does not have."""
    chosen: dict[str, str] = {}
    choose_polling(chosen)
    done = subprocess.run(
        [sys.executable, "-c", "import grpc; grpc.insecure_channel('localhost:1').close()"],
        env=chosen,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""


def test_a_node_process_loads_grpc_after_that() -> None:
    code = "import pod_node.__main__, sys; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
