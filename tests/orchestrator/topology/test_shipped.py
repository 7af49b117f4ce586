from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from orchestrator.desired.plan import make_plan
from orchestrator.topology.loader import load_topology
from orchestrator.topology.schema_json import topology_schema, topology_schema_text

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "topologies").glob("*/*.yaml"))


def test_topologies_are_shipped() -> None:
    assert SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_topology_is_right_and_can_be_planned(path: Path) -> None:
    plan = make_plan(load_topology(path, {}), state_dir=Path("/state"))
    assert plan.pods


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_topology_agrees_with_the_json_schema(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), topology_schema())


def test_the_json_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(topology_schema())
    assert json.loads(topology_schema_text()) == topology_schema()


FORMS = """
name: t
x-any: {thing: 1}
services:
  web:
    image: python
    command: python a.py
    ports: [8080, "80:81", {target: 82}]
    volumes: ["./a:/b", {type: volume, source: c, target: /d}]
    environment: [A=1]
    env_file: one.env
    networks: {a: }
    depends_on: [api]
    deploy: {replicas: "${N:-2}", resources: {limits: {memory: 64k}}}
    x-note: 1
  api:
    image: python
    command: [python]
    ports: 8080
    environment: {A: 1, B: , C: x}
    env_file: [{path: a, required: false}, b]
    networks: [a]
    healthcheck: {tcp: 80, interval: 1m30s}
    restart: on-failure:3
networks: {a: , b: {subnet: 10.0.0.0/24, link: {delay: 1ms, loss: 0}}}
volumes: {c: }
seed: 7
links:
  - {endpoints: [web, api], delay: 20ms, jitter: 5ms, rate: 10mbit, loss: 0.1%, limit: 10}
  - {endpoints: [web-1, api], gemodel: {p: 1%, r: 10%, 1-h: 90%}, network: a, direction: forward}
  - {endpoints: [web-2, api], gemodel: 1% 10%}
policies:
  - {service: api, ingress: [{from: [web, {cidr: 10.0.0.0/8}], ports: [80, 8000-8100, 53/udp]}]}
egress: [{service: api, allow: ["*.example.com:443", "192.0.2.0/24:80"], limits: {bytes: 10M}}]
schedule:
  - {at: 1s, partition: [web, [api]], duration: 1s}
  - {at: 2s, link: [web, api], set: {delay: 0}}
  - {at: 3s, kill: web-1}
"""


def test_the_json_schema_accepts_composes_forms() -> None:
    jsonschema.validate(yaml.safe_load(FORMS), topology_schema())


@pytest.mark.parametrize(
    "service",
    [
        {"prots": []},
        {"image": "x", "build": "."},
        {"image": "x", "healthcheck": {"tcp": 80, "interval": 20}},
        {"image": "x", "healthcheck": {"tcp": 80, "interval": "20"}},
        {"image": "x", "deploy": {"replicas": -1}},
        {"image": "x", "deploy": {"resources": {"limits": {"memory": "128"}}}},
        {"image": "x", "deploy": {"resources": {"limits": {"cpus": 0}}}},
        {"image": "x", "deploy": {"resources": {"limits": {"cpus": "half"}}}},
        {"image": "x", "restart": "sometimes"},
        {"image": "x", "working_dir": "app"},
        {"image": "x", "depends_on": {"api": {"condition": "service_up"}}},
    ],
)
def test_the_json_schema_refuses_mistakes(service: dict[str, object]) -> None:
    document = {"name": "t", "services": {"web": service}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, topology_schema())


@pytest.mark.parametrize(
    "section",
    [
        {"links": [{"endpoints": ["web", "api"], "delay": "20"}]},
        {"links": [{"endpoints": ["web", "api"], "dela": "20ms"}]},
        {"links": [{"endpoints": ["web", "api"], "loss": 1}]},
        {"links": [{"endpoints": ["web", "api"], "rate": "10mb"}]},
        {"links": [{"endpoints": ["web", "api"], "distribution": "gauss"}]},
        {"policies": [{"service": "api", "ingress": [{"to": ["web"]}]}]},
        {"egress": [{"service": "api", "allow": ["example.com"]}]},
        {"schedule": [{"kill": "web"}]},
        {"schedule": [{"at": 1, "kill": "web"}]},
        {"seed": -1},
    ],
)
def test_the_json_schema_refuses_mistakes_about_the_network(section: dict[str, object]) -> None:
    document = {"name": "t", "services": {"web": {"image": "x"}}, **section}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, topology_schema())


def test_the_json_schema_refuses_service_names_that_are_no_labels() -> None:
    document = {"name": "t", "services": {"My_Web": {"image": "x"}}}
    with pytest.raises(jsonschema.ValidationError, match="My_Web"):
        jsonschema.validate(document, topology_schema())
