"""The exceptions of the client: a call that failed, and a file that is refused before it is sent."""

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class PhoenixError(Exception):
    """A call that failed.

    Arguments:
        status: the gRPC status.
        reason: a name of errors.proto without its prefix; empty if the failure did not come from the server.
        message: one sentence for people.
        violations: the fields that are not valid, each with a description.
        retry_after: seconds after which to retry; None if the server does not say.
        request_id: of the call in the server's log; empty if the server was not reached.
    """

    def __init__(
        self,
        status: grpc.StatusCode,
        reason: str,
        message: str,
        violations: tuple[tuple[str, str], ...] = (),
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(f"{message} ({reason or status.name})")
        self.status = status
        self.reason = reason
        self.message = message
        self.violations = violations
        self.retry_after = retry_after
        self.request_id = request_id


class UnfitFile(ValueError):
    """A file that cannot be uploaded; the message says why, and what to do. Nothing was sent."""


def error_of(call: grpc.Call) -> PhoenixError:
    """The error of a call that ended with another status than OK, with its google.rpc details."""
    info = error_details_pb2.ErrorInfo()
    request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    about = error_details_pb2.RequestInfo()
    status = rpc_status.from_call(call)
    for detail in status.details if status else ():
        for message in (info, request, retry, about):
            detail.Unpack(message)
    return PhoenixError(
        call.code(),
        info.reason,
        call.details() or "",
        tuple((violation.field, violation.description) for violation in request.field_violations),
        retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
        about.request_id,
    )
