"""The contract as the protos declare it."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from phoenix_grpc.contract import (
    BY_NAME,
    FILES,
    METHODS,
    SERVICES,
    Method,
    declared,
    identified_part,
    named_dataset,
)
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.v1 import access_pb2, auth_pb2, datasets_pb2

DESCRIPTORS = [method for file in FILES for service in file.services_by_name.values() for method in service.methods]


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=lambda method: method.name)
def test_a_method_is_read_as_it_is_declared(descriptor) -> None:
    method = BY_NAME[descriptor.name]
    assert method is METHODS[f"/{descriptor.containing_service.full_name}/{descriptor.name}"]
    assert (method.name, method.service) == (descriptor.name, descriptor.containing_service.full_name)
    assert method.request.DESCRIPTOR is descriptor.input_type
    assert method.response.DESCRIPTOR is descriptor.output_type
    assert (method.reads_stream, method.writes_stream) == (descriptor.client_streaming, descriptor.server_streaming)
    option = descriptor.GetOptions().Extensions[access_pb2.access]
    rule = method.rule
    assert (rule.access, rule.interactive) == (option.access, option.interactive)
    assert (rule.unlimited, rule.identity) == (option.unlimited, option.identity)
    assert rule.attempt == option.attempt


def test_every_method_of_the_services_is_read_once() -> None:
    assert len(METHODS) == len(BY_NAME) == len(DESCRIPTORS)
    assert set(SERVICES) == {method.service for method in METHODS.values()}


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_reads_have_no_side_effects_and_writes_do(method: Method) -> None:
    if method.rule.access == access_pb2.ACCESS_READ:
        assert method.safe
    if method.rule.writes_data:
        assert not method.safe


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=lambda method: method.name)
def test_every_method_declares_its_idempotency(descriptor) -> None:
    assert descriptor.GetOptions().HasField("idempotency_level")


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_methods_about_data_name_their_dataset_or_refuse_limited_keys(method: Method) -> None:
    lists_only_what_the_key_may_see = method.name == "ListDatasets"
    if method.rule.about_data and not lists_only_what_the_key_may_see:
        assert method.names_dataset or method.rule.unlimited


def test_only_these_methods_are_public() -> None:
    assert {method.name for method in METHODS.values() if method.rule.public} == {
        "GetServerConfig",
        "Login",
        "RefreshToken",
        "RevokeToken",
        "RequestPasswordReset",
        "ResetPassword",
    }


def test_what_may_run_twice_changes_nothing_or_carries_an_id() -> None:
    writes = {method.name for method in METHODS.values() if method.may_run_twice and not method.safe}
    assert writes == {
        "CreateDataset",
        "AppendExamples",
        "UpdateExamples",
        "DeleteExamples",
        "UploadDataset",
    }
    assert not any(method.may_run_twice for method in METHODS.values() if method.rule.interactive)


def test_the_dataset_and_the_id_are_found_in_the_request_or_in_its_header() -> None:
    header = datasets_pb2.UploadDatasetHeader(name="qa", request_id="1")
    upload = datasets_pb2.UploadDatasetRequest(header=header)
    assert named_dataset(upload) == identified_part(upload) == header
    assert named_dataset(datasets_pb2.UploadDatasetRequest(chunk=b"x")) is None
    read = datasets_pb2.GetDatasetRequest(name="qa")
    assert named_dataset(read) is read
    assert identified_part(read) is None
    assert named_dataset(auth_pb2.WhoAmIRequest()) is None


def undeclared() -> list:
    file = descriptor_pb2.FileDescriptorProto(name="undeclared.proto", package="undeclared", syntax="proto3")
    file.message_type.add(name="Nothing")
    file.service.add(name="Service").method.add(
        name="Forgotten", input_type=".undeclared.Nothing", output_type=".undeclared.Nothing"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return [pool.FindFileByName("undeclared.proto")]


def test_a_method_without_access_stops_the_start_and_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"/undeclared\.Service/Forgotten"):
        declared(undeclared())


def test_methods_of_libraries_take_the_rule_they_are_given() -> None:
    rule = BY_NAME["GetDataset"].rule
    assert [method.rule for method in declared(undeclared(), rule).values()] == [rule]
