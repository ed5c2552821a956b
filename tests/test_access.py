"""The rules as the protos declare them."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from phoenix_grpc.access import FILES, declared_rules
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.v1 import access_pb2

NO_SIDE_EFFECTS = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
METHODS = [method for file in FILES for service in file.services_by_name.values() for method in service.methods]


def option(method) -> access_pb2.AccessRule:
    return method.GetOptions().Extensions[access_pb2.access]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_reads_have_no_side_effects_and_writes_do(method) -> None:
    level = method.GetOptions().idempotency_level
    assert method.GetOptions().HasField("idempotency_level")
    if option(method).access == access_pb2.ACCESS_READ:
        assert level == NO_SIDE_EFFECTS
    if option(method).access == access_pb2.ACCESS_WRITE:
        assert level != NO_SIDE_EFFECTS


def test_only_these_methods_are_public() -> None:
    public = {method.name for method in METHODS if option(method).access == access_pb2.ACCESS_PUBLIC}
    assert public == {
        "GetServerConfig",
        "Login",
        "RefreshToken",
        "RevokeToken",
        "RequestPasswordReset",
        "ResetPassword",
    }


def test_a_method_without_access_stops_the_start_and_is_named() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="undeclared.proto", package="undeclared", syntax="proto3")
    file.message_type.add(name="Nothing")
    file.service.add(name="Service").method.add(
        name="Forgotten", input_type=".undeclared.Nothing", output_type=".undeclared.Nothing"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    with pytest.raises(ConfigurationError, match=r"/undeclared\.Service/Forgotten"):
        declared_rules([pool.FindFileByName("undeclared.proto")])
