"""People who sign in with an OpenID Connect provider, by a code with PKCE; then a signed cookie says who they are."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from flask import Flask, Response, redirect, session
from werkzeug.exceptions import BadRequest

from app.errors import ConfigurationError, TransientError
from app.settings import AccessSettings
from web.access.caller import Caller, person

# How long a sign-in lasts, however often the page is used meanwhile.
LASTS_S = 8 * 3600.0
COOKIE = "__Host-elastiq"
_NAME = "provider"


class BySession:
    """By the cookie that a sign-in has left.

    Args:
        operators: who may operate.
        now: seconds since 1970.
    """

    def __init__(self, operators: frozenset[str], now: Callable[[], float] = time.time) -> None:
        self._operators, self._now = operators, now

    def caller(self) -> Caller | None:
        """Return who has signed in."""
        subject, until = session.get("subject"), session.get("until", 0.0)
        if not isinstance(subject, str) or not self._now() < until:
            return None
        return person(f"oidc:{subject}", self._operators)


class Provider:
    """The provider, as this application is known to it.

    Args:
        settings: where it is, and how we are called there.

    Raises:
        ConfigurationError: a setting or the package for this is missing.
    """

    def __init__(self, settings: AccessSettings) -> None:
        if not all((settings.issuer, settings.client_id, settings.client_secret, settings.cookie_secret)):
            raise ConfigurationError(
                "ELASTIQ_AUTH=oidc needs ELASTIQ_OIDC_ISSUER, ELASTIQ_OIDC_CLIENT_ID, ELASTIQ_OIDC_CLIENT_SECRET and "
                "ELASTIQ_COOKIE_SECRET"
            )
        self._settings = settings

    def install(self, app: Flask) -> None:
        """Have ``app`` know it, and sign its cookies."""
        try:
            from authlib.integrations.flask_client import OAuth
        except ModuleNotFoundError as err:
            raise ConfigurationError(
                f"ELASTIQ_AUTH=oidc needs the package {err.name}; install elastiq with its extra oidc"
            ) from err
        app.secret_key = self._settings.cookie_secret
        app.config.update(
            SESSION_COOKIE_NAME=COOKIE,
            SESSION_COOKIE_PATH="/",
            SESSION_COOKIE_SECURE=True,
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Lax",
            SESSION_REFRESH_EACH_REQUEST=False,
            PERMANENT_SESSION_LIFETIME=timedelta(seconds=LASTS_S),
        )
        self._client: Any = OAuth(app).register(
            _NAME,
            server_metadata_url=f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret,
            client_kwargs={"scope": "openid", "code_challenge_method": "S256", "default_timeout": 10},
        )

    def begin(self, back_to: str, after: str) -> Response:
        """Return the answer that leads to the provider.

        Args:
            back_to: the address that it leads back to.
            after: the path to go to then.
        """
        from requests import RequestException

        session.clear()
        session["after"] = after
        try:
            return cast(Response, self._client.authorize_redirect(back_to))
        except RequestException as err:
            raise TransientError("the OpenID Connect provider does not answer; try again") from err

    def finish(self) -> Response:
        """Take what the provider says of who came back, and return the answer that leads to where he wanted to go.

        Raises:
            BadRequest: it says nothing that can be believed.
        """
        from authlib.common.errors import AuthlibBaseError
        from joserfc.errors import JoseError
        from requests import RequestException

        claims = {
            "iss": {"essential": True, "value": self._settings.issuer},
            "aud": {"essential": True, "value": self._settings.client_id},
            "sub": {"essential": True},
        }
        try:
            told = self._client.authorize_access_token(claims_options=claims)
            subject = told["userinfo"]["sub"]
        except (AuthlibBaseError, JoseError, KeyError, ValueError) as err:
            raise BadRequest("the sign-in did not work; go to the page and try again") from err
        except RequestException as err:
            raise TransientError("the OpenID Connect provider does not answer; try again") from err
        after = session.get("after", "/")
        session.clear()
        session.permanent = True
        session.update(subject=str(subject), until=time.time() + LASTS_S)
        return cast(Response, redirect(after))
