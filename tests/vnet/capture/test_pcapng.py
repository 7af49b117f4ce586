"""pcapng sections, read back by tshark."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vnet.capture import CaptureDirection, CapturedPacket, Outcome, pcapng

ARP = bytes(12) + b"\x08\x06" + bytes(28)


def tshark(path: Path, *arguments: str) -> str:
    """Read a file; what it complains about fails the test."""
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), *arguments], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "as user" not in line]
    assert done.returncode == 0, done.stderr
    assert not complaints, done.stderr
    return done.stdout


def section(packets: list[CapturedPacket], snaplen: int = 0) -> bytes:
    place = pcapng.interface("api-1@back", snaplen=snaplen, expression="tcp port 80")
    blocks = [pcapng.section(), place, *(pcapng.packet_block(packet) for packet in packets)]
    return b"".join([*blocks, pcapng.statistics(5_000_000_000, received=9, dropped=2)])


def test_each_packet_belongs_to_its_place(tmp_path: Path) -> None:
    path = tmp_path / "places.pcapng"
    packet = CapturedPacket(time_ns=1, size_bytes=len(ARP), data=ARP)
    blocks = [pcapng.section(), pcapng.interface("web"), pcapng.packet_block(packet)]
    blocks += [pcapng.interface("api"), pcapng.packet_block(packet, 1)]
    path.write_bytes(b"".join(blocks))
    names = tshark(path, "-T", "fields", "-e", "frame.interface_name").split()
    assert names == ["web", "api"]


def test_times_sizes_directions_and_comments_arrive(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    first = CapturedPacket(
        time_ns=1_700_000_000_123_456_789,
        size_bytes=len(ARP),
        data=ARP,
        direction=CaptureDirection.OUT,
        outcome=Outcome.LOST,
    )
    second = CapturedPacket(time_ns=first.time_ns + 1, size_bytes=1514, data=ARP[:31])
    path.write_bytes(section([first, second], snaplen=31))
    fields = ["time_epoch", "interface_name", "len", "cap_len", "p2p_dir", "comment"]
    asked = [word for field in fields for word in ("-e", f"frame.{field}")]
    lost, cut_off = tshark(path, "-T", "fields", *asked).splitlines()
    seconds, *rest = lost.split("\t")
    assert seconds.endswith(".123456789")
    assert rest == ["api-1@back", "42", "42", "0", "lost on this link"]
    assert cut_off.split("\t")[2:] == ["1514", "31", "", ""]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.builds(
            CapturedPacket,
            time_ns=st.integers(0, 1 << 62),
            size_bytes=st.integers(100, 65_549),
            data=st.binary(max_size=100),
            direction=st.sampled_from(CaptureDirection),
            outcome=st.sampled_from(Outcome),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_packets_make_a_file_that_is_read_in_full(
    tmp_path: Path, packets: list[CapturedPacket]
) -> None:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(section(packets))
    lines = tshark(path, "-T", "fields", "-e", "frame.len", "-e", "frame.cap_len").splitlines()
    seen = [tuple(int(word) for word in line.split("\t")) for line in lines]
    assert seen == [(packet.size_bytes, len(packet.data)) for packet in packets]
