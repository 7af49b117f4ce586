"""The schema of a topology file: which keys there are and what each may hold.

Owns the models that a file is validated into. They hold the long form of everything; short forms
are turned by `forms.py`, values read by `fields.py`. Relations between parts of a file (a network
that nobody declares, a cycle of dependencies) are `checks.py`'s business.

Models accept text where a file has a scalar, because the reader keeps scalars as text; they write
themselves back (`model_dump(mode="json")`) in a form that they accept.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from orchestrator.topology import forms, vocabulary
from orchestrator.topology.fields import (
    Duration,
    Flag,
    GuestPath,
    HttpProbe,
    Label,
    Memory,
    Port,
    PositiveDuration,
    Replicas,
    Restart,
    Retries,
    Subnet,
    TcpProbe,
    Text,
)
from orchestrator.topology.values import Condition, RestartPolicy

if TYPE_CHECKING:
    from pydantic.config import JsonDict

DEFAULT_NETWORK = "default"
"""The network of services that name none; it needs no declaration."""


def _allow_extensions(schema: JsonDict) -> None:
    schema["patternProperties"] = {"^x-": {}}


class Section(BaseModel):
    """A mapping of the file with a fixed set of keys, plus `x-*` keys that are ignored."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, json_schema_extra=_allow_extensions
    )

    not_yet: ClassVar[vocabulary.Refusals] = {}
    """Keys refused by name rather than as unknown."""

    @model_validator(mode="before")
    @classmethod
    def _drop_ignored(cls, value: object) -> object:
        """Drop `x-*` keys, and keys that stand there without a value."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            return value
        return {
            key: item
            for key, item in value.items()
            if not str(key).startswith("x-") and not (item is None and key in cls.model_fields)
        }


class NetworkSection(Section):
    """One network."""

    not_yet = vocabulary.NETWORK

    subnet: Subnet | None = None
    """None leaves the choice to podnet."""


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


class VolumeKind(Enum):
    """What a volume's source names."""

    BIND = "bind"
    VOLUME = "volume"


class VolumeEntry(Section):
    """A folder seen inside the pods."""

    not_yet = vocabulary.VOLUME_ENTRY

    type: Annotated[VolumeKind, BeforeValidator(forms.volume_kind)]
    source: Text
    """A folder of this machine (relative to the file), or the name of a volume."""
    target: Annotated[GuestPath, AfterValidator(forms.mount_target)]
    read_only: Flag = False


class VolumeSection(Section):
    """One named volume; there is nothing to say about it yet."""

    not_yet = vocabulary.VOLUME


class EnvFileEntry(Section):
    """A file of environment variables."""

    not_yet = vocabulary.ENV_FILE

    path: Text
    required: Flag = True


class LimitsSection(Section):
    """What one pod may use."""

    not_yet = vocabulary.LIMITS

    memory: Memory | None = None


class ResourcesSection(Section):
    """Resources of one pod."""

    not_yet = vocabulary.RESOURCES

    limits: LimitsSection = LimitsSection()


class DeploySection(Section):
    """How many pods a service has, and their resources."""

    not_yet = vocabulary.DEPLOY

    replicas: Replicas = 1
    resources: ResourcesSection = ResourcesSection()


class DependencyEntry(Section):
    """What a service waits for in another one."""

    not_yet = vocabulary.DEPENDENCY

    condition: Condition = Condition.STARTED


class HealthcheckSection(Section):
    """When a pod counts as healthy."""

    not_yet = vocabulary.HEALTHCHECK

    http: HttpProbe | None = None
    tcp: TcpProbe | None = None
    disable: Flag = False
    interval: PositiveDuration = 30.0
    timeout: PositiveDuration = 30.0
    retries: Retries = 3
    start_period: Duration = 0.0
    start_interval: PositiveDuration = 5.0

    @model_validator(mode="after")
    def _has_one_probe(self) -> HealthcheckSection:
        probes = (self.http is not None) + (self.tcp is not None)
        if probes > 1:
            raise ValueError('both "http" and "tcp" are given; keep one')
        if not probes and not self.disable:
            raise ValueError(
                'there is no probe; add "http: http://:8080/health", "tcp: :9000" '
                'or "disable: true"'
            )
        return self


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

    @property
    def attached(self) -> tuple[str, ...]:
        """The networks that the service's pods are on."""
        return tuple(self.networks) or (DEFAULT_NETWORK,)

    @property
    def has_probe(self) -> bool:
        """Whether the service's pods can become healthy."""
        return self.healthcheck is not None and not self.healthcheck.disable


class Topology(Section):
    """A whole file."""

    not_yet = vocabulary.TOPOLOGY

    name: Label
    services: Annotated[dict[str, ServiceSection], Field(min_length=1)]
    networks: dict[
        str,
        Annotated[
            NetworkSection,
            BeforeValidator(lambda value: value, json_schema_input_type=NetworkSection | None),
        ],
    ] = Field(default_factory=dict)
    volumes: dict[
        str,
        Annotated[
            VolumeSection,
            BeforeValidator(lambda value: value, json_schema_input_type=VolumeSection | None),
        ],
    ] = Field(default_factory=dict)
