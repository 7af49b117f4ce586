"""Names and addresses as pods look them up: there, back, and all at once."""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

import pytest

from pod_node.spec import Limits
from tests.support.lab import Lab
from tests.support.nodes import TWICE
from tests.support.puppet import Puppet
from tests.support.wasi import Errno

Names = dict[str, list[str]]


@pytest.fixture
async def guest(pods: Lab) -> Puppet:
    return await pods.puppet(name="alpha")


async def reverse(guest: Puppet, address: str) -> list[str]:
    """The names of an address, asked in both ways."""
    names = (await guest.ask(f"dns/reverse/{address}")).split()
    assert (await guest.control_command(f"reverse {address}")).split() == names
    return names


def hosts_of(own: str, hostname: str, names: Names) -> list[str]:
    """What `hosts` has to say, worked out from what was published."""
    addresses = {address for some in names.values() for address in some} - {own}
    lines = ["127.0.0.1 localhost"]
    for address in [own, *sorted(addresses, key=IPv4Address)]:
        leading = [name for name, some in names.items() if address in some]
        leading.sort(key=lambda name: (len(names[name]) != 1, name.encode()))
        if address == own:
            leading = [hostname, *(name for name in leading if name != hostname)]
        lines.append(" ".join([address, *leading]))
    return lines


@TWICE
async def test_names_of_one_address_come_before_those_of_many(pods: Lab, guest: Puppet) -> None:
    pods.publish(
        {
            "api": ["10.10.0.7", "10.10.0.8"],
            "api.front": ["10.10.0.8", "10.10.0.7"],
            "api-1": ["10.10.0.7"],
            "api-1.front": ["10.10.0.7"],
            "db": ["10.10.0.9"],
        }
    )
    assert await reverse(guest, "10.10.0.7") == ["api-1", "api-1.front", "api", "api.front"]
    assert await reverse(guest, "10.10.0.8") == ["api", "api.front"]
    assert await reverse(guest, "10.10.0.9") == ["db"]


@TWICE
async def test_names_that_are_withdrawn_lead_back_no_more(pods: Lab, guest: Puppet) -> None:
    pods.publish({"api": ["10.10.0.7"], "db": ["10.10.0.7"]})
    assert await reverse(guest, "10.10.0.7") == ["api", "db"]
    pods.publish({"api": ["10.10.0.8"]})
    assert await guest.try_open_net("dns/reverse/10.10.0.7") is Errno.NOENT
    assert await reverse(guest, "10.10.0.8") == ["api"]


@TWICE
async def test_the_pods_own_addresses_have_its_name(pods: Lab, guest: Puppet) -> None:
    assert await reverse(guest, guest.guest.address) == ["alpha"]
    pods.publish({"alpha": [guest.guest.address], "a": [guest.guest.address]})
    assert await reverse(guest, guest.guest.address) == ["alpha", "a"]
    assert await reverse(guest, "127.0.0.1") == ["localhost"]


@TWICE
async def test_what_has_no_name_is_not_there(guest: Puppet) -> None:
    assert await guest.try_open_net("dns/reverse/10.10.0.77") is Errno.NOENT
    assert await guest.try_command("reverse 192.0.2.1") is Errno.NOENT
    assert await guest.try_open_net("dns/reverse/alpha") is Errno.INVAL
    assert await guest.try_command("reverse") is Errno.INVAL
    assert await guest.try_open_net("dns/reverse/10.10.0.77/x") is Errno.NOENT


@TWICE
async def test_names_of_other_networks_stay_there(pods: Lab, guest: Puppet) -> None:
    both = await pods.puppet(name="beta", networks=("front", "back"))
    pods.publish({"store": ["10.20.0.9"]}, "back")
    pods.publish({"web": ["10.10.0.9"]}, "front")
    assert await guest.try_open_net("dns/reverse/10.20.0.9") is Errno.NOENT
    assert "store" not in await guest.ask("hosts")
    assert await reverse(both, "10.20.0.9") == ["store"]
    assert (await both.ask("hosts")).splitlines()[3:] == ["10.10.0.9 web", "10.20.0.9 store"]


@TWICE
async def test_a_name_may_lead_to_another_network(pods: Lab, guest: Puppet) -> None:
    """It is reached through routers."""
    pods.publish({"store": ["10.20.0.8", "10.20.0.9"]}, "front")
    assert sorted((await guest.ask("dns/store")).split()) == ["10.20.0.8", "10.20.0.9"]
    assert await reverse(guest, "10.20.0.9") == ["store"]
    assert "10.20.0.9 store" in (await guest.ask("hosts")).splitlines()


@TWICE
async def test_a_name_on_two_networks_is_one(pods: Lab) -> None:
    both = await pods.puppet(name="beta", networks=("front", "back"))
    for network in ("front", "back"):
        pods.publish({"api": ["10.10.0.9"]}, network)
    assert await reverse(both, "10.10.0.9") == ["api"]
    assert (await both.ask("hosts")).count("10.10.0.9") == 1


@TWICE
async def test_hosts_has_every_name_in_order(pods: Lab, guest: Puppet) -> None:
    own = guest.guest.address
    names = {
        "api": ["10.10.0.200", "10.10.0.30", own],
        "api-1": ["10.10.0.200"],
        "alpha": [own],
        "b": ["10.20.0.1"],
    }
    pods.publish(names)
    assert (await guest.ask("hosts")).splitlines() == hosts_of(own, "alpha", names)


async def test_hosts_of_a_large_network_is_whole(pods: Lab, guest: Puppet) -> None:
    swarm = [str(IPv4Address("10.10.4.0") + index) for index in range(3000)]
    names = {"swarm": swarm}
    names |= {f"swarm-{index}-with-quite-a-long-name": [one] for index, one in enumerate(swarm)}
    pods.publish(names)
    file = await guest.open_net("hosts")
    text = (await guest.read_exactly(file, 1 << 20)).decode()
    assert text.splitlines() == hosts_of(guest.guest.address, "alpha", names)


@TWICE
async def test_hosts_is_the_readers_to_pay_for(pods: Lab) -> None:
    swarm = [str(IPv4Address("10.10.4.0") + index) for index in range(2000)]
    pods.publish({f"one-{index}": [address] for index, address in enumerate(swarm)})
    poor = await pods.puppet(limits=Limits(fabric_bytes=128 << 10))
    assert await poor.try_open_net("hosts") is Errno.NOMEM
    assert await reverse(poor, swarm[7]) == ["one-7"], "nothing was lost on the way"


@TWICE
async def test_an_answer_ends_with_a_whole_name(pods: Lab, guest: Puppet) -> None:
    names = [f"{'n' * 100}-{index:02}" for index in range(20)]
    pods.publish({name: ["10.10.0.9"] for name in names})
    assert await reverse(guest, "10.10.0.9") == names[:9]


async def test_whatever_is_published_both_directions_agree(pods: Lab, guest: Puppet) -> None:
    chance, own = Random(11), guest.guest.address
    addresses = [own, *(f"10.10.3.{host}" for host in range(1, 12))]
    for _ in range(60):
        names = {
            "".join(chance.choices("ab-.", k=chance.randint(1, 3))): chance.sample(
                addresses, chance.randint(0, 4)
            )
            for _ in range(chance.randint(0, 8))
        }
        pods.publish(names)
        expected = hosts_of(own, "alpha", {name: some for name, some in names.items() if some})
        assert (await guest.ask("hosts")).splitlines() == expected
        for line in expected[1:]:
            address, *leading = line.split()
            assert await reverse(guest, address) == leading
            for name in leading:
                assert address in (await guest.ask(f"dns/{name}")).split()
