"""A refusal as an exception."""

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2

from phoenix_grpc.client import PhoenixError
from phoenix_grpc.v1 import datasets_pb2
from tests.client.conftest import Script, client_of, refusal


def test_an_error_tells_all_that_the_server_said(script: Script) -> None:
    script.answer = lambda _number: refusal(
        8,
        "LIMIT_EXCEEDED",
        "too much",
        error_details_pb2.BadRequest(
            field_violations=[error_details_pb2.BadRequest.FieldViolation(field="name", description="too long")]
        ),
        error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000)),
        error_details_pb2.RequestInfo(request_id="r1"),
    )
    with client_of(script) as client, pytest.raises(PhoenixError) as caught:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    error = caught.value
    assert (error.status, error.reason, error.message) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "LIMIT_EXCEEDED",
        "too much",
    )
    assert (error.violations, error.retry_after, error.request_id) == ((("name", "too long"),), 1.5, "r1")
    assert str(error) == "too much (LIMIT_EXCEEDED)"
