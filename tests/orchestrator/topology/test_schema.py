from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.topology.schema import ServiceSection, Topology, VolumeKind
from orchestrator.topology.values import Condition, HttpTarget, RestartMode, RestartPolicy

Load = Callable[..., Topology]
Say = Callable[..., list[str]]

FOLDERS = "volumes: {data: , other: {}}\n"


def service(load: Load, lines: str, **environ: str) -> ServiceSection:
    text = f"name: t\n{FOLDERS}services:\n  web:\n    image: python\n    {lines}\n"
    text += "  api: {image: python, healthcheck: {tcp: 1}}\nnetworks: {a: , b: {}}\n"
    return load(text, **environ).services["web"]


def test_a_service_with_an_image_only_has_composes_defaults(load: Load) -> None:
    web = service(load, "{}"[2:])
    assert web.command == ()
    assert web.deploy.replicas == 1
    assert web.restart == RestartPolicy(RestartMode.NO)
    assert web.attached == ("default",)
    assert not web.has_probe


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("command: python -c 'print(1)' \"a b\"", ("python", "-c", "print(1)", "a b")),
        ("command: [python, -c, '1', 2]", ("python", "-c", "1", "2")),
        ("command: ''", ()),
        ("command:", ()),
    ],
)
def test_a_command_is_a_shell_line_or_a_list(
    load: Load, line: str, command: tuple[str, ...]
) -> None:
    assert service(load, line).command == command


@pytest.mark.parametrize(
    "line",
    [
        'environment: {A: "1", B: 1.10, C: , D: yes}',
        "environment: [A=1, B=1.10, C, D=yes, MISSING]",
    ],
)
def test_an_environment_is_a_mapping_or_a_list_and_is_completed(load: Load, line: str) -> None:
    environment = service(load, line, C="from outside").environment
    assert environment == {"A": "1", "B": "1.10", "C": "from outside", "D": "yes"}


@pytest.mark.parametrize(
    ("line", "ports"),
    [
        ("ports: 8080", [(8080, None)]),
        ('ports: ["8080"]', [(8080, None)]),
        ('ports: [8080, "80:9000/tcp"]', [(8080, None), (9000, 80)]),
        ('ports: ["127.0.0.1:80:9000"]', [(9000, 80)]),
        ("ports: [{target: 80, published: '8080', protocol: tcp}]", [(80, 8080)]),
        ("ports: {target: 80}", [(80, None)]),
    ],
)
def test_ports_come_in_composes_forms(
    load: Load, line: str, ports: list[tuple[int, int | None]]
) -> None:
    assert [(port.target, port.published) for port in service(load, line).ports] == ports


def test_volumes_come_in_composes_forms(load: Load) -> None:
    lines = """volumes:
    - .:/app:ro
    - data:/data/
    - {type: volume, source: other, target: /other, read_only: true}"""
    app, data, other = service(load, lines).volumes
    assert (app.type, app.target, app.read_only) == (VolumeKind.BIND, "/app", True)
    assert (data.type, data.source, data.target) == (VolumeKind.VOLUME, "data", "/data")
    assert not data.read_only
    assert (other.source, other.read_only) == ("other", True)


@pytest.mark.parametrize("line", ["networks: [b, a]", "networks: {b: , a: {}}"])
def test_networks_are_a_list_or_a_mapping(load: Load, line: str) -> None:
    assert service(load, line).attached == ("b", "a")


@pytest.mark.parametrize(
    ("line", "condition"),
    [
        ("depends_on: [api]", Condition.STARTED),
        ("depends_on: {api: {condition: service_healthy}}", Condition.HEALTHY),
        (
            "depends_on: {api: {condition: service_completed_successfully}}",
            Condition.COMPLETED,
        ),
        ("depends_on: {api: }", Condition.STARTED),
    ],
)
def test_dependencies_are_a_list_or_a_mapping(load: Load, line: str, condition: Condition) -> None:
    assert service(load, line).depends_on["api"].condition is condition


def test_a_healthcheck_has_composes_words_and_defaults(load: Load) -> None:
    line = 'healthcheck: {http: "http://:8080/health?deep=1", interval: 1s, timeout: 500ms}'
    check = service(load, line).healthcheck
    assert check is not None
    assert check.http == HttpTarget(8080, "/health?deep=1")
    assert (check.interval, check.timeout, check.retries) == (1.0, 0.5, 3)
    assert (check.start_period, check.start_interval) == (0.0, 5.0)


@pytest.mark.parametrize("port", ["9000", '":9000"', "localhost:9000"])
def test_a_tcp_probe_is_a_port(load: Load, port: str) -> None:
    check = service(load, f"healthcheck: {{tcp: {port}}}").healthcheck
    assert check is not None
    assert check.tcp == 9000


def test_a_disabled_healthcheck_is_none(load: Load) -> None:
    assert not service(load, "healthcheck: {disable: true, tcp: 1}").has_probe


@pytest.mark.parametrize(
    ("word", "policy"),
    [
        ("no", RestartPolicy(RestartMode.NO)),
        ('"no"', RestartPolicy(RestartMode.NO)),
        ("always", RestartPolicy(RestartMode.ALWAYS)),
        ("unless-stopped", RestartPolicy(RestartMode.UNLESS_STOPPED)),
        ("on-failure", RestartPolicy(RestartMode.ON_FAILURE)),
        ("on-failure:3", RestartPolicy(RestartMode.ON_FAILURE, 3)),
    ],
)
def test_restart_policies_are_composes(load: Load, word: str, policy: RestartPolicy) -> None:
    assert service(load, f"restart: {word}").restart == policy


def test_limits_carry_units(load: Load) -> None:
    line = "deploy: {replicas: 2, resources: {limits: {memory: 128M}}}"
    deploy = service(load, line).deploy
    assert deploy.replicas == 2
    assert deploy.resources.limits.memory == 128 * 1024**2
    assert deploy.resources.limits.cpus is None


@pytest.mark.parametrize(
    ("word", "cpus"), [("0.5", 0.5), ("'0.50'", 0.5), (".25", 0.25), ("2", 2.0), ("1000", 1000.0)]
)
def test_a_share_of_a_processor_is_a_number(load: Load, word: str, cpus: float) -> None:
    deploy = service(load, f"deploy: {{resources: {{limits: {{cpus: {word}}}}}}}").deploy
    assert deploy.resources.limits.cpus == cpus


def test_a_variable_stands_for_a_number_too(load: Load) -> None:
    assert service(load, "deploy: {replicas: '${N:-3}'}").deploy.replicas == 3
    assert service(load, "deploy: {replicas: $N}", N="4").deploy.replicas == 4


def test_extension_keys_anchors_and_merge_keys_work(load: Load) -> None:
    text = """
name: t
x-common: &common {image: python, restart: always, x-note: {any: thing}}
services:
  web: {<<: *common, restart: no, x-more: 1}
  api: *common
networks: {default: {x-y: z}}
"""
    topology = load(text)
    assert topology.services["web"].restart.mode is RestartMode.NO
    assert topology.services["api"].restart.mode is RestartMode.ALWAYS


INVALID = [
    ("prots: 1", '5:5: services.web.prots: unknown key "prots"; did you mean "ports"?'),
    ("WorkingDir: /", "did you mean"),
    ("zzz: 1", 'unknown key "zzz"; known keys: image, command,'),
    ("build: .", '5:5: services.web.build: "build" is not yet supported'),
    ("scale: 2", '"scale" is not yet supported; write "deploy: {replicas: 2}"'),
    ("requirements: [flask]", '"requirements" is not yet supported'),
    ("command: python 'a", "5:14: services.web.command: the command line cannot be split"),
    ("command: {a: b}", "5:5: services.web.command: expected a list, found a mapping"),
    ("command: [[a]]", "services.web.command[0]: expected a text, found a list"),
    ("command: [~]", "services.web.command[0]: expected a text, found nothing"),
    ("working_dir: app", '"app" is not absolute'),
    ("working_dir: /a/../b", 'contains ".."'),
    ("environment: [=1]", "services.web.environment[0]: "),
    ("environment: [A=1, A=2]", 'environment[1]: variable "A" is set twice'),
    ("environment: {A: [1]}", "5:19: services.web.environment.A: expected a text, found a list"),
    ("environment: x", "expected a mapping"),
    ("env_file: 5s", '5:15: services.web.env_file[0]: the file "'),
    ("env_file: [{path: a, required: false, format: raw}]", '"format" is not yet supported'),
    ("networks: [a]", 'unknown network "a"; there are no declared networks'),
    ("networks: {default: {aliases: [x]}}", '"aliases" is not yet supported'),
    ("networks: [default, default]", '5:25: services.web.networks[1]: "default" is listed twice'),
    ("ports: [0]", 'port "0" is not between 1 and 65535'),
    ("ports: [65536]", "is not between 1 and 65535"),
    ("ports: [http]", '5:13: services.web.ports[0]: expected a port number, found "http"'),
    ('ports: ["web:80"]', 'expected a port number, found "web"'),
    ('ports: ["80/udp"]', 'protocol "udp" is not yet supported'),
    ("ports: [{target: 80, protocol: udp}]", 'protocol "udp" is not yet supported'),
    ('ports: ["8000-8010"]', "port ranges are not yet supported"),
    ('ports: ["0.0.0.0:80:80"]', "portals listen on loopback only"),
    ("ports: [{target: 80, host_ip: 1.2.3.4}]", '"host_ip" is not yet supported'),
    ("ports: [{published: 80}]", 'services.web.ports[0]: the key "target" is missing'),
    ("volumes: ./a:/b", '5:14: services.web.volumes: expected a list, found "./a:/b"'),
    ("volumes: [/data]", "volumes without a source are not yet supported"),
    ('volumes: ["a:/b:z"]', 'volume option "z" is not yet supported'),
    ('volumes: ["a:/b:ro:c"]', "is not a volume; write"),
    ('volumes: [":/b"]', "is not a volume; write"),
    ('volumes: [".:b"]', '"b" is not absolute'),
    ('volumes: [".:/"]', '"/" belongs to the pod itself'),
    ('volumes: [".:/net/tcp"]', '"/net/tcp" belongs to the pod itself'),
    ("volumes: [{type: tmpfs, source: a, target: /t}]", 'a tmpfs has no "source"; remove it'),
    ("volumes: [{type: tmpfs, target: /t, read_only: true}]", 'write to a "read_only" tmpfs'),
    ("volumes: [{type: bind, target: /t}]", 'there is no "source"; name a folder'),
    (
        "volumes: [{type: bind, source: ., target: /t, tmpfs: {size: 1M}}]",
        '"tmpfs" is for volumes of type tmpfs; remove it',
    ),
    ("volumes: [{type: npipe, source: a, target: /t}]", 'type "npipe" are not yet supported'),
    ("develop: {watch: [{path: ., action: rebuild}]}", "podnet builds no images"),
    ("develop: {watch: [{path: ., action: sync}]}", '"sync" needs a "target"'),
    ("develop: {watch: [{path: ., action: sink, target: /a}]}", "values: sync, restart"),
    (
        "develop: {watch: [{path: ., action: restart, initial_sync: true}]}",
        '"initial_sync" is for entries that sync',
    ),
    ("tmpfs: /net", '"/net" belongs to the pod itself'),
    ("tmpfs: run", '"run" is not absolute'),
    ('tmpfs: "/run:noexec"', 'tmpfs option "noexec" is not yet supported; use size=64M'),
    ('tmpfs: "/run:size=64"', 'size "64" has no unit'),
    ("storage_opt: {size: 1}", 'size "1" has no unit'),
    ("storage_opt: {size: 1k}", "must be between 64k and"),
    ("deploy: {resources: {limits: {disk: 1G}}}", 'write "storage_opt: {size: 1G}"'),
    ("volumes: [{type: bnid, source: ., target: /t}]", 'did you mean "bind"?'),
    ("deploy: {replicas: -1}", "services.web.deploy.replicas: must be between 0 and 10,000"),
    ("deploy: {replicas: 10001}", "must be between 0 and 10,000"),
    ("deploy: {replicas: many}", 'expected a whole number, found "many"'),
    ("deploy: {replicas: 1.5}", 'expected a whole number, found "1.5"'),
    ("deploy: {replicas: nan}", "expected a whole number"),
    ("deploy: {mode: global}", '"mode" is not yet supported'),
    ("deploy: {resources: {limits: {memory: 128}}}", 'size "128" has no unit'),
    ("deploy: {resources: {limits: {memory: 8G}}}", "must be between 64k and 4G"),
    ("deploy: {resources: {limits: {memory: 1k}}}", "must be between 64k and 4G"),
    ("deploy: {resources: {limits: {memory: [1]}}}", "expected a word, found a list"),
    (
        "deploy: {resources: {limits: {cpus: 0}}}",
        "services.web.deploy.resources.limits.cpus: must be between 0.01 and 1,000",
    ),
    ("deploy: {resources: {limits: {cpus: -0.5}}}", '"-0.5" is not a number of processors; write'),
    ("deploy: {resources: {limits: {cpus: half}}}", '"half" is not a number of processors; write'),
    ("deploy: {resources: {limits: {cpus: 500m}}}", '"500m" is not a number of processors; write'),
    ("deploy: {resources: {limits: {cpus: nan}}}", '"nan" is not a number of processors; write'),
    ("deploy: {resources: {limits: {cpus: 0.0001}}}", "with three decimals at most"),
    ("deploy: {resources: {limits: {cpus: 1001}}}", "must be between 0.01 and 1,000"),
    ("deploy: {resources: {limits: {cpus: [1]}}}", "expected a word, found a list"),
    ("cpus: 0.5", '5:5: services.web.cpus: "cpus" is not yet supported'),
    ("deploy: {resources: {limits: {sockets: 5}}}", '"sockets" is not yet supported'),
    ("depends_on: api", "5:17: services.web.depends_on: expected a mapping (key: value)"),
    ("depends_on: {api: {condition: service_healty}}", 'did you mean "service_healthy"?'),
    ("healthcheck: {test: [x]}", 'it begins with "CMD" and the words of a command'),
    ("healthcheck: {test: [CMD-SHELL, a | b]}", "images have no shell, which '|' is for"),
    ("healthcheck: {test: a && b}", "images have no shell, which '&' is for"),
    ("healthcheck: {test: a, tcp: 1}", 'both "tcp" and "test" are given; keep one'),
    ("stdin_open: maybe", "services.web.stdin_open: expected true or false"),
    ("stop_signal: SIGNONE", "there is no signal 'SIGNONE'"),
    ("stop_signal: STOP", "pods do not have the signal 'STOP'"),
    ("deploy: {resources: {limits: {pids: 0}}}", "must be between 1 and"),
    ("healthcheck: {interval: 1s}", "services.web.healthcheck: there is no probe"),
    ("healthcheck: {http: 'http://:1/', tcp: 1}", 'both "http" and "tcp" are given'),
    ("healthcheck: {http: 'https://:1/'}", "https are not yet supported"),
    ("healthcheck: {http: 'http://api:1/'}", 'remove the host "api"'),
    ("healthcheck: {http: ':8080/'}", "expected an address such as"),
    ("healthcheck: {http: 'http://:8080/a b'}", "expected an address such as"),
    ("healthcheck: {tcp: 'api:1'}", 'remove the host "api"'),
    ("healthcheck: {tcp: x}", "expected a port such as"),
    ("healthcheck: {tcp: 1, interval: 0s}", "must be more than zero"),
    ("healthcheck: {tcp: 1, interval: 20}", 'duration "20" has no unit; write for example "20s"'),
    ("healthcheck: {tcp: 1, retries: 0}", "must be between 1 and"),
    ("healthcheck: {tcp: 1, disable: perhaps}", 'expected true or false, found "perhaps"'),
    ("restart: on-fail", 'did you mean "on-failure"?'),
    ("restart: false", "write no"),
]


@pytest.mark.parametrize(("line", "said"), INVALID)
def test_a_mistake_is_told_once_and_in_words(say: Say, line: str, said: str) -> None:
    (problem,) = say(
        f"name: t\nservices:\n  web:\n    image: python\n    {line}\n  api: {{image: x}}\n"
    )
    assert said in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: the file is empty"),
        ("# only words\n", "1:1: the file is empty"),
        ("null", "1:1: the file is empty"),
        ("- a", "1:1: expected a mapping, found a list"),
        ("hello", "1:1: expected a mapping, found a plain text"),
        ("name: t", '1:1: the key "services" is missing'),
        ("name: t\nservices:", '1:1: the key "services" is missing'),
        ("name: t\nservices: {}", "2:1: services: there are no services"),
        ("services: {web: {image: x}}", '1:1: the key "name" is missing'),
        ("name: t\nservices: [web]", "services: expected a mapping (key: value), found a list"),
        ("name: t\nservices: {web: python}", "services.web: expected a mapping (key: value), fou"),
        ("name: t\nservices: {web: }", 'services.web: the key "image" is missing'),
        ("name: [t]\nservices: {web: {image: x}}", "1:1: name: expected a text, found a list"),
    ],
)
def test_a_file_that_is_no_topology_is_told_in_one_line(say: Say, text: str, said: str) -> None:
    (problem,) = say(text)
    assert said in problem


@pytest.mark.parametrize("key", ["groups", "include", "profiles", "secrets", "version"])
def test_parts_of_the_schema_that_are_to_come_are_refused_by_name(say: Say, key: str) -> None:
    (problem,) = say(f"name: t\nservices: {{web: {{image: x}}}}\n{key}: 1\n")
    assert f'3:1: {key}: "{key}" is not yet supported' in problem


def test_every_mistake_is_told_in_one_run(say: Say) -> None:
    text = """
name: t
services:
  web:
    prots: 1
    networks: [frnt]
    ports: [0, "1:1", "x", "1:2"]
    depends_on: {api: {condition: service_healthy}, db: {condition: x}}
    deploy: {replicas: -1}
  api: {image: x, healthcheck: {interval: 5}}
  db: {image: x, depends_on: [web, db]}
networks: {front: {subnet: 10.0.0.0/8}}
"""
    assert [problem.split(": ", 2)[1:] for problem in say(text)] == [
        ["services.web", 'the key "image" is missing'],
        ["services.web.prots", 'unknown key "prots"; did you mean "ports"?'],
        ["services.web.networks.frnt", 'unknown network "frnt"; did you mean "front"?'],
        ["services.web.ports[0]", 'port "0" is not between 1 and 65535'],
        ["services.web.ports[2]", 'expected a port number, found "x"'],
        [
            "services.web.ports[3]",
            "port 1 of this machine is already taken by services.web.ports[1]; "
            "pin another one, or none",
        ],
        [
            "services.web.depends_on.db",
            "services wait for each other: web -> db -> web; remove one of these",
        ],
        [
            "services.web.depends_on.db.condition",
            'unknown value "x"; values: service_started, service_healthy, '
            "service_completed_successfully",
        ],
        ["services.web.deploy.replicas", "must be between 0 and 10,000"],
        [
            "services.api.healthcheck.interval",
            'duration "5" has no unit; write for example "5s" or "5ms"',
        ],
        [
            "services.db.depends_on.db",
            "a service cannot wait for itself: db -> db; remove this",
        ],
        ["networks.front.subnet", 'subnet "10.0.0.0/8" is a /8; use /16 to /30'],
    ]


def test_the_hole_that_a_mistake_leaves_is_no_second_mistake(say: Say) -> None:
    text = """
name: t
services:
  web: {image: x, networks: [front], depends_on: {api: {condition: service_healthy}}}
  api: [image]
  db: {image: x, volumes: ["data:/data"], depends_on: {ok: {condition: service_healthy}}}
  ok: {image: x, healthcheck: 5}
networks: {front: 7}
volumes: {data: {driver: x}}
"""
    problems = say(text)
    assert [problem.split(": ")[1] for problem in problems] == [
        "services.api",
        "services.ok.healthcheck",
        "networks.front",
        "volumes.data.driver",
    ]
