"""The examples for Istio, by the schemas that Istio and the Gateway API publish as Go modules."""

import functools
import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from phoenix_grpc.contract import METHODS
from phoenix_grpc.v1 import access_pb2

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "istio"
SCHEMAS = (
    ("istio.io/api@v1.31.4", "kubernetes/*.yaml"),
    ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard/*.yaml"),
)


@functools.cache
def schemas() -> dict[tuple[str, str], Any]:
    """The schema of each kind, by version and kind."""
    if shutil.which("go") is None and "CI" not in os.environ:
        pytest.skip("go is missing")
    found = {}
    for module, pattern in SCHEMAS:
        done = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, check=True)
        for path in Path(json.loads(done.stdout)["Dir"]).glob(pattern):
            for one in yaml.load_all(path.read_text(), yaml.CSafeLoader):
                for version in (one or {}).get("spec", {}).get("versions", ()):
                    name = f"{one['spec']['group']}/{version['name']}"
                    found[name, one["spec"]["names"]["kind"]] = version["schema"]["openAPIV3Schema"]
    return found


def strict(schema: Any) -> Any:
    """The schema, which then refuses fields that it does not name, as a server does with strict validation."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(part) for name, part in schema.items()}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made and made.get("type") == "object":
        made["additionalProperties"] = False
    return made


OBJECTS = [(path.name, one) for path in sorted(FOLDER.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text())]


@pytest.mark.parametrize(("name", "one"), OBJECTS, ids=[f"{name} {one['kind']}" for name, one in OBJECTS])
def test_every_field_is_known(name: str, one: dict[str, Any]) -> None:
    schema = strict(schemas()[one["apiVersion"], one["kind"]])
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    schema["properties"].update(apiVersion={"type": "string"}, kind={"type": "string"})
    jsonschema.validate(one, schema)


def test_a_field_that_is_not_known_would_be_found() -> None:
    schema = strict(schemas()["security.istio.io/v1", "AuthorizationPolicy"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"spec": {"rulez": []}}, schema)


def script() -> Any:
    spec = importlib.util.spec_from_file_location("istio", ROOT / "scripts" / "istio.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_policy_is_up_to_date() -> None:
    made = script()
    assert made.policy() == made.POLICY.read_text(), "run scripts/document"


def test_a_reader_is_let_to_what_changes_nothing_alone() -> None:
    policy = yaml.safe_load((FOLDER / "authorization.yaml").read_text())
    reader, writer, admin = (rule["to"][0]["operation"]["paths"] for rule in policy["spec"]["rules"][:3])
    writes = {
        path
        for path, method in METHODS.items()
        if method.rule.access in (access_pb2.ACCESS_WRITE, access_pb2.ACCESS_ADMIN)
    }
    assert writes
    assert not writes & set(reader)
    assert not any("*" in path for path in reader)
    assert {path for path in METHODS if path not in writes} <= set(reader)
    assert "/phoenix_grpc.v1.DatasetsService/*" in writer
    assert not any(path.endswith("AuthService/DeleteUser") for path in writer)
    assert "/phoenix_grpc.v1.*" in admin
