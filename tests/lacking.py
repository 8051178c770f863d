import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip for want of something this machine lacks; where CI=true nothing may be lacking."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
