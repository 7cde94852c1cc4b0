"""Words that the tests of the methods share."""

import base64
import json
import time
from contextlib import contextmanager

from auth0.management.core.api_error import ApiError

NOBODY = "auth0|000000000000000000000000"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@contextmanager
def refused(status, code=None):
    """Expects the refusal with this status, and the machine's code for it where one is promised."""
    try:
        yield
    except ApiError as error:
        assert error.status_code == status, error
        assert error.body["statusCode"] == status, "the body is the API's error object"
        assert code is None or error.body.get("errorCode") == code, error
    else:
        raise AssertionError(f"was not refused with {status}")


def until(ask, good, seconds=20):
    """Asks until the answer is good; for what the server does after it has answered."""
    end = time.monotonic() + seconds
    while not good(answer := ask()):
        assert time.monotonic() < end, f"it never came: {answer}"
    return answer


def dump(model):
    """What was answered, without what was not."""
    return model.model_dump(by_alias=True, exclude_none=True, exclude_unset=True)


def claims_of(token):
    """What a JWT says, unverified."""
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
