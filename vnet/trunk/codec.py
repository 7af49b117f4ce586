"""Frames of a trunk as messages.

A batch is read and written for every few kilobytes that pods send each other, so both ways are
short. What a frame must hold is checked here; what it may mean, by the session.
"""

from __future__ import annotations

from protos.vnet.v1 import trunk_pb2 as pb
from vnet.codec import fields
from vnet.errors import InvalidMessageError
from vnet.trunk.frames import (
    CLAIMS_MOST,
    FLOW,
    FLOWS_CLAIMED_MOST,
    ICMP,
    UDP,
    WHOLE,
    Accepted,
    Answered,
    Asked,
    Batch,
    Buffers,
    Claim,
    Claims,
    Data,
    Ends,
    Finished,
    Frame,
    LinkWay,
    Opened,
    Packet,
    Reason,
    Reset,
    Window,
)
from vnet.trunk.greeting import Hello
from vnet.trunk.session import BATCH_FRAMES, Position

PAYLOAD_MOST = 65_507
"""RFC 768 over IPv4: 65,535 bytes less two headers."""
_U32 = 0xFFFFFFFF
_REASONS = {
    Reason.REFUSED: pb.RESET_REASON_REFUSED,
    Reason.UNREACHABLE: pb.RESET_REASON_UNREACHABLE,
    Reason.RESET: pb.RESET_REASON_RESET,
    Reason.TIMED_OUT: pb.RESET_REASON_TIMED_OUT,
    Reason.NO_ROOM: pb.RESET_REASON_NO_ROOM,
}
_PROTOCOLS = {
    ICMP: pb.PACKET_PROTOCOL_ICMP,
    UDP: pb.PACKET_PROTOCOL_UDP,
}
_REFUSED = (0, ICMP, UDP)


def hello_to_message(hello: Hello) -> pb.TrunkMessage:
    """Write who speaks."""
    return pb.TrunkMessage(
        hello=pb.Hello(
            version=hello.version, deployment=hello.deployment, node=hello.node, nonce=hello.nonce
        )
    )


def hello_from_message(message: pb.TrunkMessage) -> Hello:
    """Read who speaks.

    Raises:
        InvalidMessageError: it does not say.
    """
    if not message.HasField("hello"):
        raise InvalidMessageError("message", "is not a hello")
    hello = message.hello
    return Hello(hello.version, hello.deployment, hello.node, hello.nonce)


def resume_to_message(proof: bytes, position: Position) -> pb.TrunkMessage:
    """Write a proof, and where a session stands."""
    return pb.TrunkMessage(
        resume=pb.Resume(
            proof=proof,
            incarnation=position.incarnation,
            epoch=position.epoch,
            peer_incarnation=position.peer_incarnation,
            peer_epoch=position.peer_epoch,
            received=position.received,
        )
    )


def resume_from_message(message: pb.TrunkMessage) -> tuple[bytes, Position]:
    """Read a proof, and where a session stands.

    Raises:
        InvalidMessageError: it says neither.
    """
    if not message.HasField("resume"):
        raise InvalidMessageError("message", "does not resume")
    resume = message.resume
    if not resume.incarnation:
        raise InvalidMessageError("resume.incarnation", "is missing")
    return resume.proof, Position(
        resume.incarnation,
        resume.epoch,
        resume.peer_incarnation,
        resume.peer_epoch,
        resume.received,
    )


def batch_to_message(batch: Batch) -> pb.TrunkMessage:
    """Write a batch."""
    message = pb.TrunkMessage()
    written = message.batch
    written.sequence, written.acknowledged = batch.sequence, batch.acknowledged
    add = written.frames.add
    for frame in batch.frames:
        if isinstance(frame, Data):
            add(flow_id=frame.flow, data=frame.data)
        elif isinstance(frame, Window):
            add(flow_id=frame.flow, window_bytes=frame.increment)
        else:
            written.frames.append(_frame_to_message(frame))
    return message


def batch_from_message(message: pb.TrunkMessage) -> Batch:
    """Read a batch.

    Raises:
        InvalidMessageError: it is none, or a frame in it cannot be.
    """
    if not message.HasField("batch"):
        raise InvalidMessageError("message", "is not a batch")
    batch = message.batch
    if len(batch.frames) > BATCH_FRAMES:
        raise InvalidMessageError("batch.frames", f"are {len(batch.frames)}")
    frames = [_frame_from_message(frame) for frame in batch.frames]
    return Batch(batch.sequence, batch.acknowledged, frames)


def _frame_to_message(frame: Frame) -> pb.Frame:
    match frame:
        case Opened(flow, ends, buffers, window):
            opened = pb.FlowOpened(
                source=_source(ends),
                target=_target(ends),
                buffers=_buffers_to_message(buffers),
                window_bytes=window,
            )
            return pb.Frame(flow_id=flow, opened=opened)
        case Accepted(flow, buffers, window):
            accepted = pb.FlowAccepted(buffers=_buffers_to_message(buffers), window_bytes=window)
            return pb.Frame(flow_id=flow, accepted=accepted)
        case Finished(flow):
            return pb.Frame(flow_id=flow, finished=pb.FlowFinished())
        case Reset(flow, reason):
            return pb.Frame(flow_id=flow, reset=pb.FlowReset(reason=_REASONS[reason]))
        case Asked(ends):
            return pb.Frame(asked=pb.ConnectAsked(source=_source(ends), target=_target(ends)))
        case Answered():
            return pb.Frame(answered=_answered_to_message(frame))
        case Packet():
            return pb.Frame(packet=_packet_to_message(frame))
        case Claims(claims):
            return pb.Frame(claims=pb.LinkClaims(claims=map(_claim_to_message, claims)))
    raise AssertionError(frame)


def _answered_to_message(frame: Answered) -> pb.ConnectAnswered:
    return pb.ConnectAnswered(
        source=_source(frame.ends),
        target=_target(frame.ends),
        refused=_REASONS[frame.refused]
        if frame.refused is not None
        else pb.RESET_REASON_UNSPECIFIED,
        buffers=_buffers_to_message(frame.buffers),
    )


def _claim_to_message(claim: Claim) -> pb.LinkClaim:
    way = claim.way
    return pb.LinkClaim(
        link=way.link,
        backward=way.backward,
        address=way.address,
        demand=claim.demand,
        flows=claim.flows,
    )


def _packet_to_message(packet: Packet) -> pb.PacketArrived:
    message = pb.PacketArrived(
        protocol=_PROTOCOLS[packet.protocol],
        source=_source(packet.ends),
        target=_target(packet.ends),
        payload=packet.payload,
        corrupt=packet.corrupt,
        broadcast_to=packet.broadcast_to,
    )
    if packet.protocol == ICMP:
        echo = message.echo
        echo.identifier, echo.sequence = packet.identifier, packet.sequence
        echo.reply, echo.refused = packet.reply, packet.refused
        echo.elapsed_ns = packet.elapsed_ns
    return message


def _frame_from_message(message: pb.Frame) -> Frame:
    step = message.WhichOneof("step")
    if step == "data":
        return Data(message.flow_id, message.data)
    if step == "window_bytes":
        return Window(message.flow_id, message.window_bytes)
    if step == "packet":
        return _packet_from_message(message.packet)
    return _step_from_message(message, step)


def _step_from_message(message: pb.Frame, step: str | None) -> Frame:
    flow = message.flow_id
    match step:
        case "opened":
            opened = message.opened
            ends = _ends(opened.source, opened.target)
            return Opened(flow, ends, _buffers(opened.buffers), opened.window_bytes)
        case "accepted":
            accepted = message.accepted
            return Accepted(flow, _buffers(accepted.buffers), accepted.window_bytes)
        case "finished":
            return Finished(flow)
        case "reset":
            return Reset(flow, fields.named("frame.reset.reason", _REASONS, message.reset.reason))
        case "asked":
            return Asked(_ends(message.asked.source, message.asked.target))
        case "answered":
            return _answered_from_message(message.answered)
        case "claims":
            return _claims_from_message(message.claims)
    raise InvalidMessageError("frame.step", "is missing or unknown")


def _answered_from_message(message: pb.ConnectAnswered) -> Answered:
    refused = message.refused
    return Answered(
        _ends(message.source, message.target),
        fields.named("frame.answered.refused", _REASONS, refused) if refused else None,
        _buffers(message.buffers),
    )


def _claims_from_message(message: pb.LinkClaims) -> Claims:
    if len(message.claims) > CLAIMS_MOST:
        raise InvalidMessageError("frame.claims", f"are {len(message.claims)}")
    return Claims(tuple(_claim_from_message(claim) for claim in message.claims))


def _claim_from_message(message: pb.LinkClaim) -> Claim:
    if message.demand > WHOLE:
        raise InvalidMessageError("frame.claims.demand", f"is {message.demand}")
    if not FLOW <= message.flows <= FLOWS_CLAIMED_MOST:
        raise InvalidMessageError("frame.claims.flows", f"are {message.flows}")
    way = LinkWay(message.link, message.backward, message.address)
    return Claim(way, message.demand, message.flows)


def _packet_from_message(message: pb.PacketArrived) -> Packet:
    if len(message.payload) > PAYLOAD_MOST:
        raise InvalidMessageError("frame.packet.payload", f"has {len(message.payload)} bytes")
    protocol = fields.named("frame.packet.protocol", _PROTOCOLS, message.protocol)
    ends = _ends(message.source, message.target, least=0)
    if protocol == UDP:
        return Packet(protocol, ends, message.payload, message.corrupt, message.broadcast_to)
    echo = message.echo
    if echo.refused not in _REFUSED:
        raise InvalidMessageError("frame.packet.echo.refused", f"is {echo.refused}")
    return Packet(
        protocol,
        ends,
        message.payload,
        message.corrupt,
        identifier=echo.identifier,
        sequence=echo.sequence,
        reply=echo.reply,
        refused=echo.refused,
        elapsed_ns=echo.elapsed_ns,
    )


def _source(ends: Ends) -> pb.FlowEnd:
    return pb.FlowEnd(address=ends.source, port=ends.source_port)


def _target(ends: Ends) -> pb.FlowEnd:
    return pb.FlowEnd(address=ends.target, port=ends.target_port)


def _ends(source: pb.FlowEnd, target: pb.FlowEnd, *, least: int = 1) -> Ends:
    return Ends(
        source.address,
        fields.port("frame.source.port", source.port, least=least),
        target.address,
        fields.port("frame.target.port", target.port, least=least),
    )


def _buffers_to_message(buffers: Buffers) -> pb.FlowBuffers:
    return pb.FlowBuffers(send_bytes=buffers.send, receive_bytes=buffers.receive)


def _buffers(message: pb.FlowBuffers) -> Buffers:
    return Buffers(message.send_bytes, message.receive_bytes)
