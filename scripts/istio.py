"""deploy/istio/authorization.yaml: which workloads may call which methods, from the access that these declare."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from phoenix_grpc.contract import METHODS
from phoenix_grpc.v1 import access_pb2

POLICY = Path(__file__).parent.parent / "deploy" / "istio" / "authorization.yaml"
HEAD = """\
# Who may call what, by the identity that the mesh knows of a workload; then the guard asks for a credential. Written by
# scripts/document from the access that each method declares: change the principals, and keep the paths.
"""
_SERVICE = "/phoenix_grpc.v1."
_HEALTH = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]
_READS = (access_pb2.ACCESS_PUBLIC, access_pb2.ACCESS_SELF, access_pb2.ACCESS_READ)


def policy() -> str:
    """The file as it ought to be."""
    read = sorted(path for path, method in METHODS.items() if method.rule.access in _READS)
    rules = [
        _rule(["cluster.local/ns/evaluation/sa/reader"], [*_HEALTH, *read]),
        _rule(["cluster.local/ns/evaluation/sa/writer"], [*_HEALTH, f"{_SERVICE}DatasetsService/*", *_auth(read)]),
        _rule(["cluster.local/ns/operations/sa/admin"], [*_HEALTH, f"{_SERVICE}*"]),
        # The console, and Phoenix's clients.
        {"from": [{"source": {"namespaces": ["ingress"]}}], "to": [{"operation": {"ports": ["6006"]}}]},
        {"from": [{"source": {"namespaces": ["monitoring"]}}], "to": [{"operation": {"ports": ["9090"]}}]},
    ]
    document = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "phoenix-grpc"},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": "phoenix-grpc"}},
            "action": "ALLOW",
            "rules": rules,
        },
    }
    return HEAD + yaml.safe_dump(document, sort_keys=False, width=120)


def _rule(principals: list[str], paths: list[str]) -> dict[str, object]:
    operation = {"ports": ["50051"], "paths": paths}
    return {"from": [{"source": {"principals": principals}}], "to": [{"operation": operation}]}


def _auth(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path.startswith(f"{_SERVICE}AuthService/")]


if __name__ == "__main__":
    POLICY.write_text(policy())
