"""An issuer of tokens, with a discovery document and keys, on loopback."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Issuer:
    """Serves what it is given under paths, and signs tokens.

    Attributes:
        pages: by path: a status, headers and a body; what is not there is 404.
        asked: the paths that were asked for.
    """

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.keys: dict[str, PrivateKey] = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                status, headers, body = issuer.pages.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.page("/.well-known/openid-configuration", {"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
        self.add_key("first")

    def page(self, path: str, body: object, status: int = 200, **headers: str) -> None:
        """Serves JSON."""
        self.pages[path] = (status, headers, json.dumps(body).encode())

    def add_key(self, kid: str, key: PrivateKey | None = None) -> None:
        """Makes a key and publishes it."""
        self.keys[kid] = key or rsa.generate_private_key(65537, 2048)
        self.publish()

    def jwk(self, kid: str) -> dict[str, Any]:
        """The public part of a key."""
        key = self.keys[kid].public_key()
        if isinstance(key, rsa.RSAPublicKey):
            return {**jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "alg": "RS256", "use": "sig"}
        return {**jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "alg": "ES256", "use": "sig"}

    def publish(self) -> None:
        """Serves the public parts of its keys."""
        self.page("/keys", {"keys": [self.jwk(kid) for kid in self.keys]})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of a token, changed; None takes one away."""
        now = int(time.time())
        found = {"iss": self.url, "aud": "phoenix", "sub": "repo:acme/evals:ref:refs/heads/main", "iat": now}
        found |= {"exp": now + 600, "repository_owner": "acme", **changes}
        return {name: value for name, value in found.items() if value is not None}

    def token(self, kid: str = "first", headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """A token that it has signed."""
        algorithm = "RS256" if isinstance(self.keys[kid], rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(self.claims(**changes), self.keys[kid], algorithm, headers={"kid": kid, **(headers or {})})

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
