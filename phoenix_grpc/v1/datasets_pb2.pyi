import datetime

from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from phoenix_grpc.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UploadAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UPLOAD_ACTION_UNSPECIFIED: _ClassVar[UploadAction]
    UPLOAD_ACTION_CREATE: _ClassVar[UploadAction]
    UPLOAD_ACTION_APPEND: _ClassVar[UploadAction]
    UPLOAD_ACTION_UPDATE: _ClassVar[UploadAction]

class UploadFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UPLOAD_FORMAT_UNSPECIFIED: _ClassVar[UploadFormat]
    UPLOAD_FORMAT_JSONL: _ClassVar[UploadFormat]
    UPLOAD_FORMAT_CSV: _ClassVar[UploadFormat]
    UPLOAD_FORMAT_ARROW: _ClassVar[UploadFormat]
    UPLOAD_FORMAT_PARQUET: _ClassVar[UploadFormat]

class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPRESSION_UNSPECIFIED: _ClassVar[Compression]
    COMPRESSION_NONE: _ClassVar[Compression]
    COMPRESSION_GZIP: _ClassVar[Compression]
    COMPRESSION_DEFLATE: _ClassVar[Compression]

class DownloadFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DOWNLOAD_FORMAT_UNSPECIFIED: _ClassVar[DownloadFormat]
    DOWNLOAD_FORMAT_JSONL: _ClassVar[DownloadFormat]
    DOWNLOAD_FORMAT_EXAMPLES: _ClassVar[DownloadFormat]
    DOWNLOAD_FORMAT_CSV: _ClassVar[DownloadFormat]
    DOWNLOAD_FORMAT_OPENAI_FT: _ClassVar[DownloadFormat]
    DOWNLOAD_FORMAT_OPENAI_EVALS: _ClassVar[DownloadFormat]
UPLOAD_ACTION_UNSPECIFIED: UploadAction
UPLOAD_ACTION_CREATE: UploadAction
UPLOAD_ACTION_APPEND: UploadAction
UPLOAD_ACTION_UPDATE: UploadAction
UPLOAD_FORMAT_UNSPECIFIED: UploadFormat
UPLOAD_FORMAT_JSONL: UploadFormat
UPLOAD_FORMAT_CSV: UploadFormat
UPLOAD_FORMAT_ARROW: UploadFormat
UPLOAD_FORMAT_PARQUET: UploadFormat
COMPRESSION_UNSPECIFIED: Compression
COMPRESSION_NONE: Compression
COMPRESSION_GZIP: Compression
COMPRESSION_DEFLATE: Compression
DOWNLOAD_FORMAT_UNSPECIFIED: DownloadFormat
DOWNLOAD_FORMAT_JSONL: DownloadFormat
DOWNLOAD_FORMAT_EXAMPLES: DownloadFormat
DOWNLOAD_FORMAT_CSV: DownloadFormat
DOWNLOAD_FORMAT_OPENAI_FT: DownloadFormat
DOWNLOAD_FORMAT_OPENAI_EVALS: DownloadFormat

class Dataset(_message.Message):
    __slots__ = ("dataset_id", "name", "description", "metadata", "create_time", "update_time", "example_count", "latest_version_id", "etag")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    LATEST_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    description: str
    metadata: _struct_pb2.Struct
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    example_count: int
    latest_version_id: str
    etag: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., example_count: _Optional[int] = ..., latest_version_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class DatasetVersion(_message.Message):
    __slots__ = ("version_id", "description", "metadata", "create_time", "created_by_user_id", "created_count", "updated_count", "deleted_count", "live_count")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_USER_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    LIVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    description: str
    metadata: _struct_pb2.Struct
    create_time: _timestamp_pb2.Timestamp
    created_by_user_id: str
    created_count: int
    updated_count: int
    deleted_count: int
    live_count: int
    def __init__(self, version_id: _Optional[str] = ..., description: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_by_user_id: _Optional[str] = ..., created_count: _Optional[int] = ..., updated_count: _Optional[int] = ..., deleted_count: _Optional[int] = ..., live_count: _Optional[int] = ...) -> None: ...

class Example(_message.Message):
    __slots__ = ("example_id", "external_id", "input", "output", "metadata", "splits", "source_span_id", "update_time", "version_id")
    EXAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    example_id: str
    external_id: str
    input: _struct_pb2.Struct
    output: _struct_pb2.Struct
    metadata: _struct_pb2.Struct
    splits: _containers.RepeatedScalarFieldContainer[str]
    source_span_id: str
    update_time: _timestamp_pb2.Timestamp
    version_id: str
    def __init__(self, example_id: _Optional[str] = ..., external_id: _Optional[str] = ..., input: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., output: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., splits: _Optional[_Iterable[str]] = ..., source_span_id: _Optional[str] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version_id: _Optional[str] = ...) -> None: ...

class NewExample(_message.Message):
    __slots__ = ("input", "output", "metadata", "external_id", "splits", "source_span_id")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    input: _struct_pb2.Struct
    output: _struct_pb2.Struct
    metadata: _struct_pb2.Struct
    external_id: str
    splits: SplitNames
    source_span_id: str
    def __init__(self, input: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., output: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., external_id: _Optional[str] = ..., splits: _Optional[_Union[SplitNames, _Mapping]] = ..., source_span_id: _Optional[str] = ...) -> None: ...

class SplitNames(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class ExampleUpdate(_message.Message):
    __slots__ = ("example_id", "input", "output", "metadata", "splits")
    EXAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    example_id: str
    input: _struct_pb2.Struct
    output: _struct_pb2.Struct
    metadata: _struct_pb2.Struct
    splits: SplitNames
    def __init__(self, example_id: _Optional[str] = ..., input: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., output: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., splits: _Optional[_Union[SplitNames, _Mapping]] = ...) -> None: ...

class ExampleRevision(_message.Message):
    __slots__ = ("kind", "version_id", "create_time", "example")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[ExampleRevision.Kind]
        KIND_CREATED: _ClassVar[ExampleRevision.Kind]
        KIND_UPDATED: _ClassVar[ExampleRevision.Kind]
        KIND_DELETED: _ClassVar[ExampleRevision.Kind]
    KIND_UNSPECIFIED: ExampleRevision.Kind
    KIND_CREATED: ExampleRevision.Kind
    KIND_UPDATED: ExampleRevision.Kind
    KIND_DELETED: ExampleRevision.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    kind: ExampleRevision.Kind
    version_id: str
    create_time: _timestamp_pb2.Timestamp
    example: Example
    def __init__(self, kind: _Optional[_Union[ExampleRevision.Kind, str]] = ..., version_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., example: _Optional[_Union[Example, _Mapping]] = ...) -> None: ...

class DatasetSplit(_message.Message):
    __slots__ = ("split_id", "name", "description", "color", "metadata", "example_count", "create_time", "update_time")
    SPLIT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    split_id: str
    name: str
    description: str
    color: str
    metadata: _struct_pb2.Struct
    example_count: int
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, split_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., color: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., example_count: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DatasetLabel(_message.Message):
    __slots__ = ("label_id", "name", "description", "color")
    LABEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    label_id: str
    name: str
    description: str
    color: str
    def __init__(self, label_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., color: _Optional[str] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "name_contains", "name", "label_id", "order_by")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NAME_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABEL_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    name_contains: str
    name: str
    label_id: str
    order_by: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., name_contains: _Optional[str] = ..., name: _Optional[str] = ..., label_id: _Optional[str] = ..., order_by: _Optional[str] = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets", "next_page_token")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    next_page_token: str
    def __init__(self, datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("dataset_id", "name")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class CreateDatasetRequest(_message.Message):
    __slots__ = ("name", "description", "metadata", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    metadata: _struct_pb2.Struct
    request_id: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateDatasetRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "update", "update_mask", "etag")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    update: Dataset
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., update: _Optional[_Union[Dataset, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class DeleteDatasetRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "etag")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    etag: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "page_size", "page_token")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    page_size: int
    page_token: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[DatasetVersion]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[DatasetVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetVersionRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "version_id")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    version_id: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., version_id: _Optional[str] = ...) -> None: ...

class ListExamplesRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "version_id", "splits", "example_ids", "page_size", "page_token")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_IDS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    version_id: str
    splits: _containers.RepeatedScalarFieldContainer[str]
    example_ids: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., version_id: _Optional[str] = ..., splits: _Optional[_Iterable[str]] = ..., example_ids: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListExamplesResponse(_message.Message):
    __slots__ = ("examples", "next_page_token", "version_id")
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    examples: _containers.RepeatedCompositeFieldContainer[Example]
    next_page_token: str
    version_id: str
    def __init__(self, examples: _Optional[_Iterable[_Union[Example, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version_id: _Optional[str] = ...) -> None: ...

class GetExampleRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "example_id", "version_id", "with_history")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_HISTORY_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    example_id: str
    version_id: str
    with_history: bool
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., example_id: _Optional[str] = ..., version_id: _Optional[str] = ..., with_history: _Optional[bool] = ...) -> None: ...

class GetExampleResponse(_message.Message):
    __slots__ = ("example", "history")
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    example: Example
    history: _containers.RepeatedCompositeFieldContainer[ExampleRevision]
    def __init__(self, example: _Optional[_Union[Example, _Mapping]] = ..., history: _Optional[_Iterable[_Union[ExampleRevision, _Mapping]]] = ...) -> None: ...

class AppendExamplesRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "examples", "base_version_id", "version_description", "validate_only", "request_id")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    examples: _containers.RepeatedCompositeFieldContainer[NewExample]
    base_version_id: str
    version_description: str
    validate_only: bool
    request_id: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., examples: _Optional[_Iterable[_Union[NewExample, _Mapping]]] = ..., base_version_id: _Optional[str] = ..., version_description: _Optional[str] = ..., validate_only: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateExamplesRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "updates", "base_version_id", "version_description", "validate_only", "request_id")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    updates: _containers.RepeatedCompositeFieldContainer[ExampleUpdate]
    base_version_id: str
    version_description: str
    validate_only: bool
    request_id: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., updates: _Optional[_Iterable[_Union[ExampleUpdate, _Mapping]]] = ..., base_version_id: _Optional[str] = ..., version_description: _Optional[str] = ..., validate_only: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteExamplesRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "example_ids", "base_version_id", "version_description", "validate_only", "request_id")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_IDS_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    example_ids: _containers.RepeatedScalarFieldContainer[str]
    base_version_id: str
    version_description: str
    validate_only: bool
    request_id: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., example_ids: _Optional[_Iterable[str]] = ..., base_version_id: _Optional[str] = ..., version_description: _Optional[str] = ..., validate_only: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class ChangeExamplesResponse(_message.Message):
    __slots__ = ("version", "created_count", "updated_count", "deleted_count", "example_ids")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_IDS_FIELD_NUMBER: _ClassVar[int]
    version: DatasetVersion
    created_count: int
    updated_count: int
    deleted_count: int
    example_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[_Union[DatasetVersion, _Mapping]] = ..., created_count: _Optional[int] = ..., updated_count: _Optional[int] = ..., deleted_count: _Optional[int] = ..., example_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class UploadDatasetRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: UploadDatasetHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[UploadDatasetHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadDatasetHeader(_message.Message):
    __slots__ = ("dataset_id", "name", "action", "description", "format", "compression", "input_keys", "output_keys", "metadata_keys", "split_keys", "flatten_keys", "example_id_key", "span_id_key", "ignore_ids", "allow_empty", "base_version_id", "version_description", "validate_only", "request_id", "allow_missing_keys")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    INPUT_KEYS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_KEYS_FIELD_NUMBER: _ClassVar[int]
    METADATA_KEYS_FIELD_NUMBER: _ClassVar[int]
    SPLIT_KEYS_FIELD_NUMBER: _ClassVar[int]
    FLATTEN_KEYS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_ID_KEY_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_KEY_FIELD_NUMBER: _ClassVar[int]
    IGNORE_IDS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EMPTY_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_KEYS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    action: UploadAction
    description: str
    format: UploadFormat
    compression: Compression
    input_keys: _containers.RepeatedScalarFieldContainer[str]
    output_keys: _containers.RepeatedScalarFieldContainer[str]
    metadata_keys: _containers.RepeatedScalarFieldContainer[str]
    split_keys: _containers.RepeatedScalarFieldContainer[str]
    flatten_keys: _containers.RepeatedScalarFieldContainer[str]
    example_id_key: str
    span_id_key: str
    ignore_ids: bool
    allow_empty: bool
    base_version_id: str
    version_description: str
    validate_only: bool
    request_id: str
    allow_missing_keys: bool
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., action: _Optional[_Union[UploadAction, str]] = ..., description: _Optional[str] = ..., format: _Optional[_Union[UploadFormat, str]] = ..., compression: _Optional[_Union[Compression, str]] = ..., input_keys: _Optional[_Iterable[str]] = ..., output_keys: _Optional[_Iterable[str]] = ..., metadata_keys: _Optional[_Iterable[str]] = ..., split_keys: _Optional[_Iterable[str]] = ..., flatten_keys: _Optional[_Iterable[str]] = ..., example_id_key: _Optional[str] = ..., span_id_key: _Optional[str] = ..., ignore_ids: _Optional[bool] = ..., allow_empty: _Optional[bool] = ..., base_version_id: _Optional[str] = ..., version_description: _Optional[str] = ..., validate_only: _Optional[bool] = ..., request_id: _Optional[str] = ..., allow_missing_keys: _Optional[bool] = ...) -> None: ...

class UploadDatasetResponse(_message.Message):
    __slots__ = ("dataset", "version", "created_count", "updated_count", "deleted_count", "record_count", "ignored_keys")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    IGNORED_KEYS_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    version: DatasetVersion
    created_count: int
    updated_count: int
    deleted_count: int
    record_count: int
    ignored_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ..., version: _Optional[_Union[DatasetVersion, _Mapping]] = ..., created_count: _Optional[int] = ..., updated_count: _Optional[int] = ..., deleted_count: _Optional[int] = ..., record_count: _Optional[int] = ..., ignored_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class DownloadDatasetRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "version_id", "format", "splits", "limit", "after_example_id")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    AFTER_EXAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    version_id: str
    format: DownloadFormat
    splits: _containers.RepeatedScalarFieldContainer[str]
    limit: int
    after_example_id: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., version_id: _Optional[str] = ..., format: _Optional[_Union[DownloadFormat, str]] = ..., splits: _Optional[_Iterable[str]] = ..., limit: _Optional[int] = ..., after_example_id: _Optional[str] = ...) -> None: ...

class DownloadDatasetResponse(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: DownloadDatasetHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[DownloadDatasetHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class DownloadDatasetHeader(_message.Message):
    __slots__ = ("dataset", "version", "filename", "content_type", "splits")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    version: DatasetVersion
    filename: str
    content_type: str
    splits: _containers.RepeatedCompositeFieldContainer[DatasetSplit]
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ..., version: _Optional[_Union[DatasetVersion, _Mapping]] = ..., filename: _Optional[str] = ..., content_type: _Optional[str] = ..., splits: _Optional[_Iterable[_Union[DatasetSplit, _Mapping]]] = ...) -> None: ...

class CreateSplitRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "split_name", "description", "color", "metadata", "example_ids")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPLIT_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_IDS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    split_name: str
    description: str
    color: str
    metadata: _struct_pb2.Struct
    example_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., split_name: _Optional[str] = ..., description: _Optional[str] = ..., color: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., example_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateSplitRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "split_id", "split", "update_mask", "add_example_ids", "remove_example_ids")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPLIT_ID_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ADD_EXAMPLE_IDS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_EXAMPLE_IDS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    split_id: str
    split: DatasetSplit
    update_mask: _field_mask_pb2.FieldMask
    add_example_ids: _containers.RepeatedScalarFieldContainer[str]
    remove_example_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., split_id: _Optional[str] = ..., split: _Optional[_Union[DatasetSplit, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., add_example_ids: _Optional[_Iterable[str]] = ..., remove_example_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteSplitRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "split_id")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPLIT_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    split_id: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., split_id: _Optional[str] = ...) -> None: ...

class GetSplitRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "split_id")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPLIT_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    split_id: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., split_id: _Optional[str] = ...) -> None: ...

class ListSplitsRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "page_size", "page_token")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    page_size: int
    page_token: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSplitsResponse(_message.Message):
    __slots__ = ("splits", "next_page_token")
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    splits: _containers.RepeatedCompositeFieldContainer[DatasetSplit]
    next_page_token: str
    def __init__(self, splits: _Optional[_Iterable[_Union[DatasetSplit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateLabelRequest(_message.Message):
    __slots__ = ("name", "description", "color")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    color: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., color: _Optional[str] = ...) -> None: ...

class UpdateLabelRequest(_message.Message):
    __slots__ = ("label_id", "label", "update_mask")
    LABEL_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    label_id: str
    label: DatasetLabel
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, label_id: _Optional[str] = ..., label: _Optional[_Union[DatasetLabel, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteLabelRequest(_message.Message):
    __slots__ = ("label_id",)
    LABEL_ID_FIELD_NUMBER: _ClassVar[int]
    label_id: str
    def __init__(self, label_id: _Optional[str] = ...) -> None: ...

class GetLabelRequest(_message.Message):
    __slots__ = ("label_id",)
    LABEL_ID_FIELD_NUMBER: _ClassVar[int]
    label_id: str
    def __init__(self, label_id: _Optional[str] = ...) -> None: ...

class ListLabelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLabelsResponse(_message.Message):
    __slots__ = ("labels", "next_page_token")
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[DatasetLabel]
    next_page_token: str
    def __init__(self, labels: _Optional[_Iterable[_Union[DatasetLabel, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListDatasetLabelsRequest(_message.Message):
    __slots__ = ("dataset_id", "name")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ListDatasetLabelsResponse(_message.Message):
    __slots__ = ("labels",)
    LABELS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[DatasetLabel]
    def __init__(self, labels: _Optional[_Iterable[_Union[DatasetLabel, _Mapping]]] = ...) -> None: ...

class SetDatasetLabelsRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "label_ids")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABEL_IDS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    label_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., label_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class AddDatasetLabelRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "label_id")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABEL_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    label_id: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., label_id: _Optional[str] = ...) -> None: ...

class RemoveDatasetLabelRequest(_message.Message):
    __slots__ = ("dataset_id", "name", "label_id")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABEL_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    name: str
    label_id: str
    def __init__(self, dataset_id: _Optional[str] = ..., name: _Optional[str] = ..., label_id: _Optional[str] = ...) -> None: ...
