"""The one table from errors to gRPC statuses, with google.rpc details; nothing else chooses a status."""

from collections.abc import Sequence

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb2
from google.rpc import status_pb2

from phoenix_grpc import errors
from phoenix_grpc.errors import Reason

DOMAIN = "phoenix_grpc"
REALM = "phoenix_grpc"

_CODES = {
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.LimitExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
    errors.Cancelled: grpc.StatusCode.CANCELLED,
}
# Clients refuse metadata above 8 KiB: the details stay far below it.
_MAX_METADATA = 6

Trailers = tuple[tuple[str, str | bytes], ...]


class LibraryAbort(errors.Error):
    """A library's servicer has ended the call with a status of its own.

    Arguments:
        code: as its context has it, a StatusCode or a number.
    """

    def __init__(self, code: object) -> None:
        super().__init__("ended by a library")
        known = (found for found in grpc.StatusCode if code in (found, found.value[0]))
        self.code = next(known, grpc.StatusCode.UNKNOWN)


def code_of(error: errors.Error) -> grpc.StatusCode:
    """The status of an error: that of its nearest class in the table, else INTERNAL."""
    if isinstance(error, LibraryAbort):
        return error.code
    return next((_CODES[cls] for cls in type(error).__mro__ if cls in _CODES), grpc.StatusCode.INTERNAL)


def status_name(error: errors.Error | None) -> str:
    """The name of the status that a call ends with, for logs."""
    return "OK" if error is None else code_of(error).name


def status_of(error: errors.Error, request_id: str) -> tuple[grpc.StatusCode, str, Trailers]:
    """Code, message and trailing metadata for `error`."""
    code = code_of(error)
    message = errors.shown(error.message)
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in _details(error, request_id):
        status.details.add().Pack(detail)
    return code, message, (("grpc-status-details-bin", status.SerializeToString()), *_trailers(error, request_id))


def _details(error: errors.Error, request_id: str) -> Sequence[Message]:
    metadata = {
        errors.shown(key)[:63]: errors.shown(value) for key, value in list(error.metadata.items())[:_MAX_METADATA]
    }
    info = details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    found: list[Message] = [info, details_pb2.RequestInfo(request_id=request_id)]
    match error:
        case errors.Invalid():
            violation = details_pb2.BadRequest.FieldViolation(
                field=errors.shown(error.field), description=errors.shown(error.description), reason=error.reason
            )
            found.append(details_pb2.BadRequest(field_violations=[violation]))
        case errors.NotFound() | errors.AlreadyExists():
            found.append(details_pb2.ResourceInfo(resource_type=error.kind, resource_name=errors.shown(error.name)))
        case errors.Aborted() | errors.FailedPrecondition():
            precondition = details_pb2.PreconditionFailure.Violation(
                type=error.reason, subject=DOMAIN, description=errors.shown(error.message)
            )
            found.append(details_pb2.PreconditionFailure(violations=[precondition]))
    if (seconds := _retry_after(error)) is not None:
        retry = details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(seconds * 1000))
        found.append(retry)
    return found


def _trailers(error: errors.Error, request_id: str) -> Trailers:
    trailers: list[tuple[str, str | bytes]] = [("x-request-id", request_id)]
    if isinstance(error, errors.Unauthenticated):
        trailers.append(("www-authenticate", _challenge(error)))
    if (seconds := _retry_after(error)) is not None:
        trailers.append(("grpc-retry-pushback-ms", str(round(seconds * 1000))))
    elif isinstance(error, errors.Unavailable):
        trailers.append(("grpc-retry-pushback-ms", "-1"))  # gRFC A6: do not try again
    return tuple(trailers)


def _challenge(error: errors.Unauthenticated) -> str:
    """The challenge of RFC 6750, section 3: no error code when no credentials were sent."""
    if error.reason == Reason.CREDENTIALS_MISSING:
        return f'Bearer realm="{REALM}"'
    code = "invalid_request" if error.reason.startswith("CREDENTIALS_") else "invalid_token"
    return f'Bearer realm="{REALM}", error="{code}", error_description="{error.reason}"'


def _retry_after(error: errors.Error) -> float | None:
    return getattr(error, "retry_after", None)
