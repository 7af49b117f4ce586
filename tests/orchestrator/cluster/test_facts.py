"""Which machines can run pods."""

from __future__ import annotations

import pickle
from dataclasses import replace

from orchestrator.cluster.facts import machine_facts, unfit_reason

HERE = machine_facts()


def test_this_machine_can_run_pods_and_says_what_it_is() -> None:
    assert unfit_reason(HERE, HERE) == ""
    assert HERE.pods_most > 1000
    assert HERE.machine
    assert HERE.addresses
    assert pickle.loads(pickle.dumps(HERE)) == HERE


def test_another_version_is_refused_with_both_named() -> None:
    reason = unfit_reason(replace(HERE, podnet="9.9"), HERE)
    assert "podnet 9.9" in reason
    assert f"podnet {HERE.podnet}" in reason
    assert "install the same on both" in reason


def test_another_contract_under_the_same_version_is_refused_too() -> None:
    assert "install the same" in unfit_reason(replace(HERE, contract="0"), HERE)


def test_a_processor_without_what_guests_need_is_refused() -> None:
    unfit = replace(HERE, missing=("sse4_1 in its processor",))
    assert unfit_reason(unfit, HERE) == "it lacks sse4_1 in its processor"
