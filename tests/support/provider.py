"""An OpenID Connect provider of a test's own, on loopback: whoever comes is signed in as its `subject`."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import urllib3
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support.web import Site

CLIENT_ID, CLIENT_SECRET = "elastiq", "the client's secret"


class Provider:
    """A running provider.

    Attributes:
        subject: who is signed in.
        claims: what its tokens say otherwise than they should.
        key: what they are signed with; what it publishes stays the first.
    """

    def __init__(self) -> None:
        self.subject, self.claims = "248289761001", dict[str, Any]()
        self.key = self._published = rsa.generate_private_key(65537, 2048)
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._get(self)

            def do_POST(self) -> None:
                provider._post(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Provider:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """Return the settings of a web process that has people sign in here."""
        return {
            "ELASTIQ_AUTH": "oidc",
            "ELASTIQ_OIDC_ISSUER": self.url,
            "ELASTIQ_OIDC_CLIENT_ID": CLIENT_ID,
            "ELASTIQ_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "ELASTIQ_COOKIE_SECRET": "a secret of 32 characters or more",
            "ELASTIQ_OPERATORS": "oidc:the-operator",
        }

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        path, asked = urlsplit(request.path).path, {k: v[0] for k, v in parse_qs(urlsplit(request.path).query).items()}
        if path == "/authorize":
            assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
            assert asked["code_challenge_method"] == "S256"
            code = secrets.token_urlsafe()
            self._codes[code] = asked
            request.send_response(302)
            back = urlencode({"code": code, "state": asked["state"]})
            request.send_header("Location", f"{asked['redirect_uri']}?{back}")
            request.end_headers()
        elif path == "/keys":
            _answer(request, {"keys": [self._jwk()]})
        else:
            paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            signs = {"id_token_signing_alg_values_supported": ["RS256"]}
            _answer(request, {"issuer": self.url, **{name: f"{self.url}/{at}" for name, at in paths.items()}, **signs})

    def _post(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"])).decode()
        sent = {k: v[0] for k, v in parse_qs(body).items()}
        asked = self._codes.pop(sent["code"])
        challenge = _text(hashlib.sha256(sent["code_verifier"].encode()).digest())
        known = base64.b64decode(request.headers["Authorization"].split()[1]).decode() == f"{CLIENT_ID}:{CLIENT_SECRET}"
        if not known or challenge != asked["code_challenge"] or sent["redirect_uri"] != asked["redirect_uri"]:
            _answer(request, {"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        said = {"iss": self.url, "aud": CLIENT_ID, "sub": self.subject, "nonce": asked["nonce"]}
        token = self._signed({**said, "iat": now, "exp": now + 60, **self.claims})
        _answer(request, {"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": token})

    def _signed(self, claims: dict[str, Any]) -> str:
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "kid": "1", "typ": "JWT"}, claims)]
        text = ".".join(map(_text, parts))
        return f"{text}.{_text(self.key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"

    def _jwk(self) -> dict[str, str]:
        numbers = self._published.public_key().public_numbers()
        sizes = {"n": numbers.n, "e": numbers.e}
        found = {name: _text(value.to_bytes((value.bit_length() + 7) // 8, "big")) for name, value in sizes.items()}
        return {"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", **found}


class Visitor:
    """Goes where it is led and keeps its cookie, as a browser does."""

    def __init__(self, site: Site) -> None:
        self._site, self.cookie, self.set = site, "", ""

    def get(self, url: str, method: str = "GET") -> urllib3.BaseHTTPResponse:
        """Make one request, to the site or elsewhere."""
        ours = urljoin(self._site.url, url)
        headers = {"Cookie": self.cookie} if ours.startswith(self._site.url) and self.cookie else {}
        answer = self._site.http.request(method, ours, headers=headers, redirect=False)
        if "Set-Cookie" in answer.headers:
            self.set = answer.headers["Set-Cookie"]
            self.cookie = self.set.partition(";")[0]
        return answer

    def go(self, url: str) -> urllib3.BaseHTTPResponse:
        """Follow redirections to their end; return the last answer."""
        for _ in range(6):
            answer = self.get(url)
            if answer.status != 302:
                return answer
            url = urljoin(self._site.url if url.startswith("/") else url, answer.headers["Location"])
        raise AssertionError(f"led on and on, to {url}")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _answer(request: BaseHTTPRequestHandler, said: dict[str, Any], status: int = 200) -> None:
    body = json.dumps(said).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
