"""Server reflection under both of its names: v1alpha (older grpcurl) and v1 (the same messages in another package)."""

import contextlib

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

ALPHA = "grpc.reflection.v1alpha.ServerReflection"
V1 = "grpc.reflection.v1.ServerReflection"
_METHOD = "ServerReflectionInfo"


def add_reflection(server: grpc.aio.Server, services: list[str]) -> None:
    """Lets clients ask `server` for the descriptors of `services`, and of reflection itself."""
    servicer = _Reflection([*services, ALPHA, V1])
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    generic = [grpc.method_handlers_generic_handler(service, {_METHOD: handler}) for service in (ALPHA, V1)]
    server.add_generic_rpc_handlers(generic)


class _Reflection(ReflectionServicer):  # type: ignore[misc]
    """Finds methods too, which the pool does not know as symbols: by their service."""

    def _file_containing_symbol(
        self, request: reflection_pb2.ServerReflectionRequest, fully_qualified_name: str
    ) -> reflection_pb2.ServerReflectionResponse:
        service, _, method = fully_qualified_name.rpartition(".")
        with contextlib.suppress(KeyError):
            if method in self._pool.FindServiceByName(service).methods_by_name:
                fully_qualified_name = service
        return super()._file_containing_symbol(request, fully_qualified_name)


def descriptors() -> list[FileDescriptor]:
    """The protos of reflection under both of its names; that of v1 is the one of v1alpha in another package."""
    pool = descriptor_pool.Default()
    try:
        v1 = pool.FindServiceByName(V1).file
    except KeyError:
        file = descriptor_pb2.FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(file)
        file.name = "grpc/reflection/v1/reflection.proto"
        file.package = "grpc.reflection.v1"
        for message in file.message_type:
            for member in message.field:
                if member.type_name:
                    member.type_name = member.type_name.replace(".v1alpha.", ".v1.")
        for method in file.service[0].method:
            method.input_type = method.input_type.replace(".v1alpha.", ".v1.")
            method.output_type = method.output_type.replace(".v1alpha.", ".v1.")
        v1 = pool.AddSerializedFile(file.SerializeToString())
    return [reflection_pb2.DESCRIPTOR, v1]
