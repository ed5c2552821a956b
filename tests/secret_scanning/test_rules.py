"""The published rules for scanners find keys of ours, whole ones, and nobody else's."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

from phoenix_grpc.credentials.api_keys import new_api_key
from tests.accounts import first_days_key
from tests.npm import installed

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "docs" / "secret-scanning"
GITLEAKS = tomllib.loads((RULES / "gitleaks.toml").read_text())["rules"]
SECRETLINT = json.loads((RULES / "secretlintrc.json").read_text())["rules"]

KEYS = [new_api_key() for _ in range(5)]
FOUND = [
    f"PHOENIX_API_KEY={KEYS[0]}",
    f'{{"api_key": "{KEYS[1]}"}}',
    f"curl -H 'Authorization: Bearer {KEYS[2]}' http://localhost:6006/v1/datasets",
    f"`{KEYS[3]}`, and more.",
    KEYS[4],
]
PASSED_OVER = [
    f"one character less: {KEYS[0][:-1]}",
    f"one character more: {KEYS[0]}x",
    f"a damaged character: {KEYS[0][:20]}-{KEYS[0][21:]}",
    f"its prefix in capitals: PHGRPC_{KEYS[0][7:]}",
    f"its first characters: {KEYS[0][:11]}…",
    f"a personal key of PostHog: phx_{'a1B2' * 12}",
    f"a key of the first days: {first_days_key()}",
]
TEXT = "\n".join(FOUND + PASSED_OVER)


def test_the_rule_for_gitleaks_finds_whole_keys_alone() -> None:
    [rule] = GITLEAKS
    # Go's regular expressions are RE2: what this one uses, both have.
    assert re.findall(rule["regex"], TEXT) == KEYS
    # Gitleaks looks at files with a keyword alone, in lower case.
    assert all(any(keyword in key.lower() for keyword in rule["keywords"]) for key in KEYS)


def test_the_rule_for_secretlint_finds_whole_keys_alone() -> None:
    folder = installed("secretlint", Path(__file__).parent / "package.json")
    command = ["npx", "--offline", "secretlint", "--secretlintrc", str(RULES / "secretlintrc.json")]
    command += ["--format", "json", "--stdinFileName", "settings.env"]
    done = subprocess.run(command, cwd=folder, input=TEXT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr  # as its documentation says: something was found
    [file] = json.loads(done.stdout)
    assert [TEXT[start:end] for start, end in (message["range"] for message in file["messages"])] == KEYS


def test_the_expression_is_one_everywhere() -> None:
    [pattern] = SECRETLINT[0]["options"]["patterns"]
    assert pattern["patterns"] == [f"/{GITLEAKS[0]['regex']}/"]
    assert f"`{GITLEAKS[0]['regex']}`" in (ROOT / "README.md").read_text()
