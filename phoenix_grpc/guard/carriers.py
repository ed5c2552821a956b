"""What a call may carry beside its message, at every door."""

import re

MAX_CREDENTIAL = 8192
"""The longest authorization value, in characters."""

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
"""A request id of a caller's own that logs can carry."""
