from __future__ import annotations

import pickle

import pytest

from vnet.edge import errors
from vnet.errors import VnetError


@pytest.mark.parametrize(
    "error",
    [
        errors.PortInUseError("127.0.0.1", 9000),
        errors.PortNotAllowedError("127.0.0.1", 80, "Permission denied"),
        errors.MessageRefusedError("a bare LF", 400),
        errors.BackendFailedError("web", 80, 503, "no replica is ready"),
        errors.UpstreamBrokenError("it closed the connection", True),
        errors.ClientGoneError(),
    ],
)
def test_every_error_survives_pickling(error: VnetError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
