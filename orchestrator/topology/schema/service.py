"""What a topology file says about services.

Owns the models of a service and of everything below it. Short forms are turned by `forms.py`,
values read by `fields.py`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from orchestrator.topology import forms, vocabulary
from orchestrator.topology.fields import (
    Count,
    Cpus,
    Duration,
    Flag,
    GuestPath,
    HttpProbe,
    Memory,
    Pids,
    Port,
    PositiveDuration,
    Replicas,
    Restart,
    Retries,
    StopSignal,
    TcpProbe,
    Text,
)
from orchestrator.topology.schema.develop import DevelopSection
from orchestrator.topology.schema.placement import PlacementSection, ReservationsSection
from orchestrator.topology.schema.section import Section
from orchestrator.topology.schema.storage import StorageSection, TmpfsEntry, VolumeEntry
from orchestrator.topology.values import Condition, FailureAction, RestartPolicy, UpdateOrder
from pod_node.spec import DEFAULT_STOP_SIGNAL

DEFAULT_NETWORK = "default"
"""The network of services that name none; it needs no declaration."""


class AttachmentSection(Section):
    """How a service is attached to a network; there is nothing to say yet."""

    not_yet = vocabulary.ATTACHMENT


class PortEntry(Section):
    """A port of the pods that gets a portal."""

    not_yet = vocabulary.PORT

    target: Port
    """The port inside the pods."""
    published: Port | None = None
    """The portal's port on this machine; None leaves the choice to podnet."""
    protocol: Annotated[str, AfterValidator(forms.tcp_only)] = "tcp"


class EnvFileEntry(Section):
    """A file of environment variables."""

    not_yet = vocabulary.ENV_FILE

    path: Text
    required: Flag = True


class LimitsSection(Section):
    """What one pod may use."""

    not_yet = vocabulary.LIMITS

    memory: Memory | None = None
    cpus: Cpus | None = None
    pids: Pids | None = None
    """Processes at once."""


class ResourcesSection(Section):
    """Resources of one pod."""

    not_yet = vocabulary.RESOURCES

    limits: LimitsSection = LimitsSection()
    reservations: ReservationsSection = ReservationsSection()


class RollbackSection(Section):
    """How pods are replaced by those of the topology before."""

    not_yet = vocabulary.UPDATE

    parallelism: Count = 1
    """0 is all at once."""
    delay: Duration = 0.0
    failure_action: Annotated[FailureAction, AfterValidator(forms.not_rollback)] = (
        FailureAction.PAUSE
    )
    monitor: Duration = 0.0
    order: UpdateOrder = UpdateOrder.STOP_FIRST


class UpdateSection(Section):
    """How pods are replaced when the topology changes."""

    not_yet = vocabulary.UPDATE

    parallelism: Count = 1
    """0 is all at once."""
    delay: Duration = 0.0
    failure_action: FailureAction = FailureAction.PAUSE
    monitor: Duration = 0.0
    order: UpdateOrder = UpdateOrder.STOP_FIRST


class DeploySection(Section):
    """How many pods a service has, their resources, and how they are replaced."""

    not_yet = vocabulary.DEPLOY

    replicas: Replicas = 1
    update_config: UpdateSection = UpdateSection()
    rollback_config: RollbackSection = RollbackSection()
    resources: ResourcesSection = ResourcesSection()
    placement: PlacementSection = PlacementSection()


class DependencyEntry(Section):
    """What a service waits for in another one."""

    not_yet = vocabulary.DEPENDENCY

    condition: Condition = Condition.STARTED


class HealthcheckSection(Section):
    """When a pod counts as healthy."""

    not_yet = vocabulary.HEALTHCHECK

    http: HttpProbe | None = None
    tcp: TcpProbe | None = None
    test: Annotated[
        tuple[str, ...],
        BeforeValidator(forms.health_test, json_schema_input_type=str | list[str]),
    ] = ()
    """The words of a command; `NONE` alone is no check."""
    disable: Flag = False
    interval: PositiveDuration = 30.0
    timeout: PositiveDuration = 30.0
    retries: Retries = 3
    start_period: Duration = 0.0
    start_interval: PositiveDuration = 5.0

    @model_validator(mode="after")
    def _has_one_probe(self) -> HealthcheckSection:
        given = {"http": self.http is not None, "tcp": self.tcp is not None, "test": self.test}
        probes = [name for name, there in given.items() if there]
        if len(probes) > 1:
            raise ValueError(f'both "{probes[0]}" and "{probes[1]}" are given; keep one')
        if not probes and not self.disable:
            raise ValueError(
                'there is no probe; add "http: http://:8080/health", "tcp: :9000", '
                '"test: [CMD, python, check.py]" or "disable: true"'
            )
        return self

    @property
    def is_off(self) -> bool:
        """Whether nothing is asked."""
        return self.disable or self.test == ("NONE",)


class ServiceSection(Section):
    """One service: what its pods run, and how many there are."""

    not_yet = vocabulary.SERVICE

    image: Text
    command: Annotated[
        tuple[str, ...],
        BeforeValidator(forms.split_command, json_schema_input_type=str | list[str]),
    ] = ()
    """Empty for the image's own entry."""
    working_dir: GuestPath | None = None
    volumes: tuple[
        Annotated[
            VolumeEntry,
            BeforeValidator(forms.volume_from_short, json_schema_input_type=str | VolumeEntry),
        ],
        ...,
    ] = ()
    tmpfs: Annotated[
        tuple[
            Annotated[
                TmpfsEntry,
                BeforeValidator(forms.tmpfs_from_short, json_schema_input_type=str | TmpfsEntry),
            ],
            ...,
        ],
        BeforeValidator(
            forms.one_or_many,
            json_schema_input_type=str | list[str | TmpfsEntry],
        ),
    ] = ()
    storage_opt: StorageSection = StorageSection()
    develop: DevelopSection = DevelopSection()
    environment: Annotated[
        dict[str, str | None],
        BeforeValidator(
            forms.environment_from_list,
            json_schema_input_type=dict[str, str | float | None] | list[str],
        ),
    ] = Field(default_factory=dict)
    """A variable without a value is taken from podnet's own environment."""
    env_file: Annotated[
        tuple[Annotated[EnvFileEntry, BeforeValidator(forms.env_file_from_path)], ...],
        BeforeValidator(
            forms.one_or_many,
            json_schema_input_type=str | EnvFileEntry | list[str | EnvFileEntry],
        ),
    ] = ()
    networks: Annotated[
        dict[str, AttachmentSection],
        BeforeValidator(
            forms.names_to_mapping,
            json_schema_input_type=list[str] | dict[str, AttachmentSection | None],
        ),
    ] = Field(default_factory=dict)
    """Empty for the network `default`."""
    ports: Annotated[
        tuple[Annotated[PortEntry, BeforeValidator(forms.port_from_short)], ...],
        BeforeValidator(
            forms.one_or_many,
            json_schema_input_type=str | int | PortEntry | list[str | int | PortEntry],
        ),
    ] = ()
    deploy: DeploySection = DeploySection()
    depends_on: Annotated[
        dict[str, DependencyEntry],
        BeforeValidator(
            forms.names_to_mapping,
            json_schema_input_type=list[str] | dict[str, DependencyEntry],
        ),
    ] = Field(default_factory=dict)
    healthcheck: HealthcheckSection | None = None
    restart: Restart = RestartPolicy()
    stop_signal: StopSignal = DEFAULT_STOP_SIGNAL
    stop_grace_period: Duration = 10.0
    """How long a pod that is asked to end may take before it is killed."""
    stdin_open: Flag = False
    """Whether the main process reads what those write who are attached."""
    tty: Flag = False
    """Whether the main process has a terminal."""
    router: Flag = False
    """Whether the service's pods forward between their networks."""

    @property
    def attached(self) -> tuple[str, ...]:
        """The networks that the service's pods are on."""
        return tuple(self.networks) or (DEFAULT_NETWORK,)

    @property
    def has_probe(self) -> bool:
        """Whether the service's pods can become healthy."""
        return self.healthcheck is not None and not self.healthcheck.is_off
