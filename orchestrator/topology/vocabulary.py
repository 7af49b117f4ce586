"""Keys of Compose files and of podnet's design that podnet does not have yet.

Owns one table per section of the file: the key, and what to do instead where there is something.
They are refused by name, so that nobody mistakes a feature that is not there for a spelling
mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from orchestrator.topology.problems import quoted, suggestion

Refusals: TypeAlias = Mapping[str, str]
"""Key and remedy; an empty remedy means that there is none."""


def _refuse(keys: str, **remedies: str) -> Refusals:
    return dict.fromkeys(keys.split(), "") | remedies


TOPOLOGY = _refuse(
    "configs defaults groups include kinds models profiles requests requirements secrets",
    routers='write "router: true" in the service',
    version="topologies have no version; remove it",
)

NETWORK = _refuse(
    "attachable driver driver_opts egress enable_ipv4 enable_ipv6 external internal labels name",
    mtu='write "link: {mtu: 1400}"',
    ipam='write the range as "subnet: 10.10.0.0/24"',
)

IMPAIRMENTS = _refuse(
    "correlation ecn labels slot vars",
    bandwidth='write "rate: 10mbit"',
    latency='write "delay: 20ms"',
)

_SELECTORS = "ipBlock namespaceSelector podSelector"

INGRESS_RULE = _refuse(_SELECTORS, to='rules of "ingress" have "from"')

EGRESS_RULE = _refuse(_SELECTORS, **{"from": 'rules of "egress" have "to"'})

POLICY = _refuse(
    "name podSelector",
    policyTypes='a direction is isolated where "ingress" or "egress" stands',
)

SCHEDULE = _refuse("every repeat restart scale until")

SERVICE = _refuse(
    "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent configs"
    " container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime"
    " cpu_shares cpus cpuset credential_spec device_cgroup_rules devices dns dns_opt"
    " dns_search domainname egress expose extends external_links extra_hosts gpus group_add"
    " hostname init ipc isolation label_file labels link links logging mac_address"
    " mem_reservation mem_swappiness memswap_limit models network_mode oom_kill_disable"
    " oom_score_adj pid platform policies post_start pre_stop privileged profiles"
    " provider pull_policy read_only requests requirements runtime secrets security_opt shm_size"
    " sysctls ulimits"
    " use_api_socket user userns_mode uts volumes_from",
    entrypoint='write the whole command line as "command"',
    mem_limit='write "deploy: {resources: {limits: {memory: 128M}}}"',
    pids_limit='write "deploy: {resources: {limits: {pids: 64}}}"',
    scale='write "deploy: {replicas: 2}"',
)

ATTACHMENT = _refuse(
    "aliases driver_opts gw_priority interface_name ipv4_address ipv6_address link_local_ips"
    " mac_address priority"
)

PORT = _refuse("app_protocol host_ip mode name")

VOLUME_ENTRY = _refuse("bind consistency image volume")

TMPFS = _refuse("", mode="pods have no users; remove it")

STORAGE = _refuse("")

DEVELOP = _refuse("")

WATCH = _refuse("exec")

VOLUME = _refuse("driver driver_opts external labels name")

ENV_FILE = _refuse("format")

DEPLOY = _refuse(
    "endpoint_mode labels mode",
    restart_policy='write "restart: on-failure" in the service',
)

UPDATE = _refuse("max_failure_ratio")

RESOURCES = _refuse("")

RESERVATIONS = _refuse("devices generic_resources")

PLACEMENT = _refuse("max_replicas platforms")

LIMITS = _refuse(
    "descriptors devices sockets",
    processes='write "pids: 64"',
    disk='write "storage_opt: {size: 1G}" in the service',
)

DEPENDENCY = _refuse("required restart")

HEALTHCHECK = _refuse("")


def unknown_key(key: str, known: Iterable[str], refusals: Refusals) -> str:
    """Say why a key means nothing, and what to write instead."""
    if key in refusals:
        remedy = refusals[key]
        return f"{quoted(key)} is not yet supported" + (f"; {remedy}" if remedy else "")
    return f"unknown key {quoted(key)}; {suggestion(key[:64], known, what='known keys')}"
