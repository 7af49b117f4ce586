"""Answers that the portal itself gives: error pages for people, plain text for programs.

Owns their wording frame and bytes. The reason comes from whoever raised the error.
"""

from __future__ import annotations

import html
from http import HTTPStatus

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem}}
h1{{font-size:1.3rem}}code{{background:#8882;padding:.1em .3em}}</style></head>
<body><h1>{title}</h1><p>{reason}</p><p><small>podnet portal</small></p></body></html>
"""

_RETRY_STATUSES = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)


def error_page(
    status: int, reason: str, *, as_html: bool, with_body: bool, keep_alive: bool
) -> bytes:
    """Write a whole response that says `reason`.

    Args:
        status: The status code.
        reason: One or two sentences that name the place and the remedy.
        as_html: For a browser; otherwise plain text.
        with_body: False in answer to HEAD.
        keep_alive: The connection stays usable.
    """
    title = f"{status} {HTTPStatus(status).phrase}"
    if as_html:
        text, media = _PAGE.format(title=title, reason=html.escape(reason)), "text/html"
    else:
        text, media = f"{title}\n{reason}\n", "text/plain"
    body = text.encode()
    head = (
        f"HTTP/1.1 {title}\r\n"
        f"Content-Type: {media}; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
    )
    if status in _RETRY_STATUSES:
        head += "Retry-After: 1\r\n"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        head += "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
    if not keep_alive:
        head += "Connection: close\r\n"
    return head.encode() + b"\r\n" + (body if with_body else b"")
