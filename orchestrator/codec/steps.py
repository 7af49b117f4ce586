"""Steps and rollouts as messages of orchestrator.v1."""

from __future__ import annotations

from orchestrator.desired.steps import StepAction, StepView
from orchestrator.lifecycle.rollout import RolloutState, RolloutView
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from vnet.codec import fields

_ACTIONS = {
    StepAction.ATTACH_NETWORK: pb.STEP_ACTION_ATTACH_NETWORK,
    StepAction.DETACH_NETWORK: pb.STEP_ACTION_DETACH_NETWORK,
    StepAction.PREPARE_IMAGE: pb.STEP_ACTION_PREPARE_IMAGE,
    StepAction.OPEN_PORTAL: pb.STEP_ACTION_OPEN_PORTAL,
    StepAction.CLOSE_PORTAL: pb.STEP_ACTION_CLOSE_PORTAL,
    StepAction.BOOT: pb.STEP_ACTION_BOOT,
    StepAction.REPLACE: pb.STEP_ACTION_REPLACE,
    StepAction.REMOVE: pb.STEP_ACTION_REMOVE,
    StepAction.RESTART: pb.STEP_ACTION_RESTART,
    StepAction.STOP: pb.STEP_ACTION_STOP,
    StepAction.APPLY: pb.STEP_ACTION_APPLY,
}
_STATES = {
    RolloutState.UPDATING: pb.ROLLOUT_STATE_UPDATING,
    RolloutState.PAUSED: pb.ROLLOUT_STATE_PAUSED,
    RolloutState.COMPLETED: pb.ROLLOUT_STATE_COMPLETED,
    RolloutState.ROLLED_BACK: pb.ROLLOUT_STATE_ROLLED_BACK,
}


def step_to_message(step: StepView) -> pb.Step:
    """Write a step."""
    return pb.Step(action=_ACTIONS[step.action], target=step.target, reason=step.reason)


def step_from_message(message: pb.Step) -> StepView:
    """Read a step."""
    return StepView(
        action=fields.named("action", _ACTIONS, message.action),
        target=message.target,
        reason=message.reason,
    )


def rollout_to_message(view: RolloutView) -> pb.Rollout:
    """Write where an update stands."""
    return pb.Rollout(
        service=view.service,
        state=_STATES[view.state],
        updated_pods=view.updated,
        total_pods=view.total,
        reason=view.reason,
        revision=view.revision,
    )


def rollout_from_message(message: pb.Rollout) -> RolloutView:
    """Read where an update stands."""
    return RolloutView(
        service=message.service,
        state=fields.named("state", _STATES, message.state),
        updated=message.updated_pods,
        total=message.total_pods,
        reason=message.reason,
        revision=message.revision,
    )
