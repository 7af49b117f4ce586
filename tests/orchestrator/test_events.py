from __future__ import annotations

from dataclasses import replace

from orchestrator.events import EventLog
from orchestrator.wording import egress_text
from vnet.egress import Decision, EgressAttempt, EgressEnded, Ending

ALLOWED = EgressAttempt(
    number=1,
    pod="api-1",
    service="api",
    target="example.com",
    port=443,
    decision=Decision.ALLOWED,
    rule="*:443",
)
DENIED = replace(ALLOWED, decision=Decision.DENIED, rule="", reason="no rule allows it")
ENDED = EgressEnded(
    number=1,
    pod="api-1",
    service="api",
    target="example.com",
    port=443,
    ending=Ending.RESET,
    sent_bytes=10,
    received_bytes=20,
    duration_s=1.5,
)


def test_who_watches_up_hears_of_what_may_not_leave_and_not_of_the_rest() -> None:
    notices: list[str] = []
    events = EventLog(lambda: 5.0, notices.append)
    for happening in (ALLOWED, DENIED, ENDED):
        events.tell(egress_text(happening), happening)
    assert notices == ["api-1 to example.com:443: denied, no rule allows it"]
    assert egress_text(ALLOWED) == "api-1 to example.com:443: allowed, by *:443"
    assert egress_text(ENDED) == (
        "api-1 to example.com:443: reset after 1.5s, 10 bytes sent, 20 received"
    )
