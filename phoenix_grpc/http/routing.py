"""Shared by all routes of a resource: the gRPC method behind each, strict JSON, the responses in OpenAPI."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from phoenix_grpc.http.json_bodies import BodyLimit, StrictRoute, json_body
from phoenix_grpc.http.methods import rpc
from phoenix_grpc.http.responses import refusals


class Resource(APIRouter):
    """The routes of one resource."""

    def __init__(self, tag: str, prefix: str = "/v1") -> None:
        super().__init__(
            prefix=prefix,
            tags=[tag],
            route_class=StrictRoute,
            generate_unique_id_function=lambda route: route.name,
        )

    def rpc(
        self,
        verb: str,
        path: str,
        method: str,
        model: Any = None,
        *,
        status: int = 200,
        body_limit: BodyLimit = json_body,
        **more: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declares a route.

        Arguments:
            method: the gRPC method behind it, whose access rule is the route's.
            model: the schema of the response, for OpenAPI.
            status: of success.
            body_limit: of what the route reads.
            more: passed to FastAPI unchanged, or merged into its `responses` and `openapi_extra`.
        """
        responses = {**refusals(body=verb != "GET"), **more.pop("responses", {})}
        if status == 204:
            responses[204] = {"description": "Done."}
        extra = {**rpc(method), **more.pop("openapi_extra", {})}

        def declare(function: Callable[..., Any]) -> Callable[..., Any]:
            self.add_api_route(
                path,
                function,
                methods=[verb],
                response_model=model,
                status_code=status,
                responses=responses,
                openapi_extra=extra,
                **more,
            )
            self.routes[-1].body_limit = body_limit  # type: ignore[attr-defined]
            return function

        return declare
