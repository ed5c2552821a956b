"""The contract: what the protos declare of each method, read in one place.

A file in FILES is a service that is served, called, routed and documented.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.v1 import access_pb2, auth_pb2, datasets_pb2

FILES = (datasets_pb2.DESCRIPTOR, auth_pb2.DESCRIPTOR)


@dataclass(frozen=True, slots=True)
class Rule:
    """The access rule that a method declares (access.proto)."""

    access: "access_pb2.Access"
    interactive: bool = False
    unlimited: bool = False
    identity: bool = False
    attempt: bool = False

    @property
    def public(self) -> bool:
        """Whether anyone may call; credentials are not even read then."""
        return self.access == access_pb2.ACCESS_PUBLIC

    @property
    def writes_data(self) -> bool:
        """Whether it changes data, which a VIEWER may not."""
        return self.access == access_pb2.ACCESS_WRITE

    @property
    def about_data(self) -> bool:
        """Whether it reads or writes data."""
        return self.access in (access_pb2.ACCESS_READ, access_pb2.ACCESS_WRITE)


PUBLIC = Rule(access_pb2.ACCESS_PUBLIC)


@dataclass(frozen=True, slots=True)
class Method:
    """A method as its proto declares it.

    Arguments:
        path: "/package.Service/Method".
        reads_stream: whether it receives a stream of requests.
        writes_stream: whether it returns a stream of responses.
        safe: whether it changes nothing (idempotency_level NO_SIDE_EFFECTS).
    """

    path: str
    rule: Rule
    request: type[Message]
    response: type[Message]
    reads_stream: bool
    writes_stream: bool
    safe: bool

    @property
    def name(self) -> str:
        """The method's name without its service."""
        return self.path.rpartition("/")[2]

    @property
    def service(self) -> str:
        """The full name of its service."""
        return self.path.split("/")[1]

    @property
    def may_run_twice(self) -> bool:
        """Whether a call may be repeated: it changes nothing, or carries a request_id."""
        return self.safe or any(map(_is_identified, _parts(self.request.DESCRIPTOR)))

    @property
    def names_dataset(self) -> bool:
        """Whether its request names a dataset, against which a limited key is checked."""
        return any(map(_names_dataset, _parts(self.request.DESCRIPTOR)))


def named_dataset(request: Message) -> Any:
    """The part of a request that names a dataset: the request, the header of an upload, or None.

    Such a part has a oneof `dataset` of `dataset_id` and `name`.
    """
    return _part(request, _names_dataset)


def identified_part(request: Message) -> Any:
    """The part of a request that has a field `request_id`: the request, the header of an upload, or None."""
    return _part(request, _is_identified)


def declared(files: Iterable[FileDescriptor] = FILES, rule: Rule | None = None) -> Mapping[str, Method]:
    """The methods of all services in `files`, by path.

    Arguments:
        rule: of all of them, for library services, which declare none.

    Raises:
        ConfigurationError: naming the methods that declare no access.
    """
    methods = [method for file in files for service in file.services_by_name.values() for method in service.methods]
    found = {method.path: method for method in (_method(descriptor, rule) for descriptor in methods)}
    missing = sorted(path for path, method in found.items() if method.rule.access == access_pb2.ACCESS_UNSPECIFIED)
    if missing:
        raise ConfigurationError(f"methods without option (phoenix_grpc.v1.access): {', '.join(missing)}")
    return MappingProxyType(found)


def _method(descriptor: MethodDescriptor, rule: Rule | None) -> Method:
    return Method(
        path=f"/{descriptor.containing_service.full_name}/{descriptor.name}",
        rule=rule or _rule(descriptor),
        request=GetMessageClass(descriptor.input_type),
        response=GetMessageClass(descriptor.output_type),
        reads_stream=descriptor.client_streaming,
        writes_stream=descriptor.server_streaming,
        safe=descriptor.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
    )


def _rule(descriptor: MethodDescriptor) -> Rule:
    option: access_pb2.AccessRule = descriptor.GetOptions().Extensions[access_pb2.access]  # type: ignore[index]
    return Rule(option.access, option.interactive, option.unlimited, option.identity, option.attempt)


def _names_dataset(message: Any) -> bool:
    return "dataset" in message.oneofs_by_name


def _is_identified(message: Any) -> bool:
    return "request_id" in message.fields_by_name


def _parts(message: Any) -> Iterator[Any]:
    """The descriptor of a request, and that of the header it may have."""
    yield message
    header = message.fields_by_name.get("header")
    if header is not None and header.message_type is not None:
        yield header.message_type


def _part(request: Any, wanted: Callable[[Any], bool]) -> Any:
    if wanted(request.DESCRIPTOR):
        return request
    if "header" not in request.DESCRIPTOR.fields_by_name or not request.HasField("header"):
        return None
    return request.header if wanted(request.header.DESCRIPTOR) else None


METHODS = declared()
"""Every method of ours, by path."""

BY_NAME = MappingProxyType({method.name: method for method in METHODS.values()})
"""Every method of ours by its name: no two services share one."""

SERVICES = tuple(dict.fromkeys(method.service for method in METHODS.values()))
"""The full names of our services."""
