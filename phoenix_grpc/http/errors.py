"""From errors to HTTP responses, with the short texts that programs written for Phoenix compare."""

import math
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import PlainTextResponse, Response

from phoenix_grpc import errors
from phoenix_grpc.contract import BY_NAME
from phoenix_grpc.errors import Error, Reason

CHALLENGE = 'Bearer realm="Phoenix"'

_STATUSES: dict[type[Error], int] = {
    errors.Invalid: 422,
    errors.FailedPrecondition: 422,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    errors.Unimplemented: 404,
    errors.AlreadyExists: 409,
    errors.Aborted: 409,
    errors.LimitExceeded: 429,
    errors.Unavailable: 503,
    errors.Cancelled: 503,
}
_STATUSES_BY_REASON = {
    Reason.AUTH_DISABLED: 403,
    Reason.PASSWORD_LOGIN_DISABLED: 403,
    Reason.MAIL_NOT_CONFIGURED: 503,
    Reason.STORE_FULL: 507,
}
_TEXTS = {
    **dict.fromkeys(
        (
            Reason.CREDENTIALS_MISSING,
            Reason.CREDENTIALS_MALFORMED,
            Reason.CREDENTIALS_CONFLICTING,
            Reason.API_KEY_INVALID,
            Reason.API_KEY_REVOKED,
            Reason.ACCESS_TOKEN_INVALID,
            Reason.SESSION_REVOKED,
            Reason.TOKEN_TYPE_UNSUPPORTED,
            Reason.RESET_TOKEN_INVALID,
        ),
        "Invalid token",
    ),
    Reason.API_KEY_EXPIRED: "Expired token",
    Reason.ACCESS_TOKEN_EXPIRED: "Expired token",
    Reason.LOGIN_FAILED: "Invalid email and/or password",
    Reason.LOGIN_THROTTLED: "Too many failed login attempts. Please try again later.",
    Reason.REFRESH_TOKEN_INVALID: "Invalid refresh token",
    Reason.REFRESH_TOKEN_REUSED: "Invalid refresh token",
    Reason.REFRESH_TOKEN_EXPIRED: "Expired refresh token",
    Reason.AUTH_DISABLED: "This action requires authentication to be enabled. "
    "Set the PHOENIX_ENABLE_AUTH environment variable to true.",
    Reason.NOT_A_USER: "System API keys must be managed through the /system/api_keys endpoints.",
    Reason.MAIL_NOT_CONFIGURED: "SMTP server not configured",
    Reason.USER_NOT_FOUND: "User not found",
    Reason.EMAIL_EXISTS: "Email already exists",
    Reason.USERNAME_EXISTS: "Username already exists",
}
_TEXTS_BY_METHOD = {
    ("RevokeApiKey", Reason.API_KEY_NOT_FOUND): "API key not found",
    ("RotateApiKey", Reason.API_KEY_NOT_FOUND): "API key not found",
    ("RevokeSystemApiKey", Reason.API_KEY_NOT_FOUND): "System API key not found",
    ("RotateSystemApiKey", Reason.API_KEY_NOT_FOUND): "System API key not found",
    ("CreateApiKey", Reason.CREDENTIAL_NOT_INTERACTIVE): "API keys cannot create API keys",
    ("RotateApiKey", Reason.CREDENTIAL_NOT_INTERACTIVE): "API keys cannot create API keys",
    ("CreateSystemApiKey", Reason.CREDENTIAL_NOT_INTERACTIVE): "API keys cannot create API keys",
    ("RotateSystemApiKey", Reason.CREDENTIAL_NOT_INTERACTIVE): "API keys cannot create API keys",
}

_VIEWERS_REFUSED = "Viewers cannot perform this action."
_ADMINS_ONLY = "Only admin or system users can perform this action."


class Refused(Exception):
    """A response that is not a success.

    Arguments:
        text: one sentence for people.
        reason: the reason of the gRPC error (errors.proto), if one is behind it.
        field: the field of the gRPC request that is not valid, if one is named.
        facts: further facts of the gRPC error, for programs.
    """

    def __init__(
        self,
        status: int,
        text: str,
        headers: Mapping[str, str] | None = None,
        reason: str = "",
        field: str = "",
        facts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = dict(headers or {})
        self.reason = reason
        self.field = field
        self.facts = dict(facts or {})

    def response(self) -> Response:
        """The response: text, the challenge of a 401 (RFC 6750), Retry-After with 429 and 503."""
        headers = dict(self.headers)
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = CHALLENGE
        if self.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            headers.setdefault("retry-after", "1")
        return PlainTextResponse(self.text, self.status, headers)

    def naming_id(self, field: str, kind: str, id: str) -> "Refused":
        """The same response in Phoenix's words, if the id in this field is not valid."""
        if self.status == HTTPStatus.UNPROCESSABLE_ENTITY and self.field == field:
            self.text = f"Invalid {kind} GlobalID format: {id[:100]}"
        return self


class Invalid(Refused):
    """A request that the door itself finds invalid; the guard decides about the caller first."""

    def __init__(self, text: str, status: int = 422) -> None:
        super().__init__(status, text)


def refused(error: Error, method: str = "") -> Refused:
    """The HTTP response for an error.

    Arguments:
        method: the method of the call that it ended, if any.
    """
    found = next((_STATUSES[cls] for cls in type(error).__mro__ if cls in _STATUSES), 500)
    status = _STATUSES_BY_REASON.get(error.reason, found)
    seconds = getattr(error, "retry_after", None)
    headers = {"retry-after": str(math.ceil(seconds))} if seconds else {}
    field = error.field if isinstance(error, errors.Invalid) else ""
    return Refused(status, _text(error, method), headers, error.reason, field, error.metadata)


def _text(error: Error, method: str) -> str:
    """Phoenix's text where there is one, else the server's own sentence."""
    if error.reason is Reason.ROLE_INSUFFICIENT:
        return _VIEWERS_REFUSED if BY_NAME[method].rule.writes_data else _ADMINS_ONLY
    if text := _TEXTS_BY_METHOD.get((method, error.reason)) or _TEXTS.get(error.reason):
        return text
    text = errors.shown(error.message).replace("page_token: ", "Invalid cursor: ").removeprefix("chunk: ")
    return text[:1].upper() + text[1:] if isinstance(error, errors.NotFound) else text
