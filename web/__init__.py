"""The web tier: the page, the HTTP API and the course contract. It stores and publishes images; it classifies none."""

from web.application import create_app

__all__ = ["create_app"]
