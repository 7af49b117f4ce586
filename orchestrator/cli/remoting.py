"""A deployment on another machine: the options before the verb, and the environment in their place.

Owns these options and what they come to. Who may take part there is `access.py`'s business.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.serving.access import RemoteAddress

_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    ("--connect", "connect", "HOST:PORT", "PODNET_HOST", "A deployment on another machine.", str),
    ("--token-file", "token_file", "FILE", "PODNET_TOKEN_FILE", "The token to show there.", _FILE),
    ("--tls-ca", "tls_ca", "FILE", "PODNET_TLS_CA", "The authority of its certificate.", _FILE),
    ("--tls-cert", "tls_cert", "FILE", "PODNET_TLS_CERT", "Our certificate.", _FILE),
    ("--tls-key", "tls_key", "FILE", "PODNET_TLS_KEY", "Its key.", _FILE),
)


def remote_options(group: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command its options for a deployment elsewhere."""
    for flag, name, metavar, variable, text, kind in reversed(_OPTIONS):
        group = click.option(
            flag, name, metavar=metavar, envvar=variable, help=text, type=kind, show_envvar=True
        )(group)
    return group


def remote_address() -> RemoteAddress | None:
    """Say where the deployment is that the command line, or the environment, names.

    Returns:
        None when it names none: the deployment is on this machine.

    Raises:
        AccessError: what it says makes no sense, or a token would be given away.
    """
    options = click.get_current_context().find_root().params
    text = options.get("connect")
    if not text:
        return None
    from orchestrator.serving.access import AccessError, Certificate, RemoteAddress, split_host

    host, port = split_host(text)
    certificate, key = options.get("tls_cert"), options.get("tls_key")
    if (certificate is None) is not (key is None):
        raise AccessError("give --tls-cert and --tls-key, or neither")
    return RemoteAddress(
        host=host,
        port=port,
        ca=options.get("tls_ca"),
        tls=None
        if certificate is None or key is None
        else Certificate(certificate=certificate, key=key),
        token_file=options.get("token_file"),
    )
