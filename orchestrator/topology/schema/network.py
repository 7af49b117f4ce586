"""What a topology file says about networks and links: how packets travel.

Owns the models and their long forms. What the keys do to packets is netem's vocabulary
(tc-netem(8)); that they fit together is `checks_links.py`'s business, because it depends on what a
link was before.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from orchestrator.topology import forms, vocabulary
from orchestrator.topology.fields import LinkDuration, Mtu, Percentage, Queue, Rate, Subnet
from orchestrator.topology.schema.section import Section
from orchestrator.topology.values import LinkDirection
from vnet.configuration import Distribution


class GilbertElliottSection(Section):
    """Loss in bursts, with netem's names."""

    good_to_bad: Percentage = Field(alias="p")
    bad_to_good: Percentage = Field(alias="r")
    loss_in_bad: Percentage = Field(default=1.0, alias="1-h")
    loss_in_good: Percentage = Field(default=0.0, alias="1-k")


class ImpairmentsSection(Section):
    """How packets are treated; what is not given stays as it is, `0` switches it off."""

    not_yet = vocabulary.IMPAIRMENTS

    delay: LinkDuration | None = None
    jitter: LinkDuration | None = None
    """Standard deviation of the delay; half the width when uniform."""
    distribution: Distribution | None = None
    loss: Percentage | None = None
    gemodel: Annotated[
        GilbertElliottSection | None,
        BeforeValidator(
            forms.gemodel_from_words,
            json_schema_input_type=GilbertElliottSection | str | int | None,
        ),
    ] = None
    rate: Rate | None = None
    limit: Queue | None = None
    """Packets that may wait for the rate."""
    mtu: Mtu | None = None
    duplicate: Percentage | None = None
    reorder: Percentage | None = None
    corrupt: Percentage | None = None


class LinkSection(ImpairmentsSection):
    """A link between two services, shared by all of their replicas."""

    endpoints: Annotated[tuple[str, ...], AfterValidator(forms.pair)]
    """Two services or replicas."""
    network: str | None = None
    """None where the endpoints share only one."""
    direction: LinkDirection = LinkDirection.BOTH


class NetworkSection(Section):
    """One network."""

    not_yet = vocabulary.NETWORK

    subnet: Subnet | None = None
    """None leaves the choice to podnet."""
    link: ImpairmentsSection | None = None
    """Each interface's own link to the network, crossed by what it sends."""
