"""Errors as HTTP answers: status, text, headers."""

import pytest

from phoenix_grpc import errors
from phoenix_grpc.errors import Error, Reason
from phoenix_grpc.http.errors import refused

CASES: list[tuple[Error, int, str]] = [
    (errors.Invalid("limit", "must not be negative"), 422, "limit: must not be negative"),
    (errors.Invalid("page_token", "not a token"), 422, "Invalid cursor: not a token"),
    (errors.InvalidRecord(3, "no JSON"), 422, "line 3: no JSON"),
    (errors.Unauthenticated("unknown", Reason.API_KEY_INVALID), 401, "Invalid token"),
    (errors.PermissionDenied("may not", Reason.ROLE_INSUFFICIENT), 403, "Viewers cannot perform this action."),
    (errors.NotFound("Dataset", "x\ny", Reason.DATASET_NOT_FOUND), 404, "Dataset not found: x y"),
    (errors.AlreadyExists("Dataset", "x", Reason.DATASET_EXISTS), 409, "dataset already exists: x"),
    (errors.Aborted("it moved"), 409, "it moved"),
    (errors.FailedPrecondition("off", Reason.MAIL_NOT_CONFIGURED), 503, "SMTP server not configured"),
    (errors.LimitExceeded("too many", retry_after=1.2), 429, "too many"),
    (errors.StoreFull(), 507, "the server's storage is full"),
    (errors.Unavailable("away"), 503, "away"),
    (errors.Cancelled("the caller went away"), 503, "the caller went away"),
    (Error("internal error"), 500, "internal error"),
]


@pytest.mark.parametrize(("error", "status", "text"), CASES, ids=lambda case: type(case).__name__)
def test_an_error_is_answered_with_its_status_and_text(error: Error, status: int, text: str) -> None:
    answer = refused(error, "CreateDataset")
    assert (answer.status, answer.text) == (status, text)
    headers = answer.response().headers
    assert ("retry-after" in headers) is (status in (429, 503))
    assert ("www-authenticate" in headers) is (status == 401)
    if isinstance(error, errors.LimitExceeded) and error.retry_after:
        assert headers["retry-after"] == "2"


def test_only_admins_is_said_where_a_viewer_is_not_meant() -> None:
    error = errors.PermissionDenied("may not", Reason.ROLE_INSUFFICIENT)
    assert refused(error, "CreateUser").text == "Only admin or system users can perform this action."
