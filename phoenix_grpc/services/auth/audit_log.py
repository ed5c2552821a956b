"""AuthService: the audit log."""

from phoenix_grpc.services.auth.messages import event_message
from phoenix_grpc.services.auth.methods import AuthMethods
from phoenix_grpc.services.fields import optional_id, read_time
from phoenix_grpc.services.paging import page, page_position, page_size, page_token
from phoenix_grpc.store import audit
from phoenix_grpc.store.audit import EventFilter
from phoenix_grpc.v1 import auth_pb2


class AuditMethods(AuthMethods):
    """Methods that read the audit log."""

    async def ListAuditEvents(self, request: auth_pb2.ListAuditEventsRequest) -> auth_pb2.ListAuditEventsResponse:
        size = page_size(request)
        before = page_position(request, (int, int))
        wanted = EventFilter(
            actor_user_id=optional_id("User", request.actor_user_id, "actor_user_id"),
            actor_email=request.actor_email.strip(),
            action=request.action.strip(),
            dataset_id=optional_id("Dataset", request.dataset_id, "dataset_id"),
            dataset_name=request.dataset_name.strip(),
            allowed=request.allowed if request.HasField("allowed") else None,
            start=_time(request, "start_time"),
            end=_time(request, "end_time"),
        )
        position = (before[0], before[1]) if before else None
        rows = await self.engine.read(audit.list_events, wanted, position, size + 1)
        found = page(rows, size, event_message)
        token = page_token(request, found.last.created_at, found.last.id) if found.last else ""
        return auth_pb2.ListAuditEventsResponse(events=found.messages, next_page_token=token)


def _time(request: auth_pb2.ListAuditEventsRequest, field: str) -> int | None:
    return read_time(getattr(request, field), field) if request.HasField(field) else None
