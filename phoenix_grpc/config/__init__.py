"""The settings: frozen objects, read from `PHOENIX_*` variables and flags."""

from phoenix_grpc.config.client import ClientSettings
from phoenix_grpc.config.fields import PREFIX
from phoenix_grpc.config.loading import load_client_settings, load_settings, prefer_grpc_experiments, share_metrics
from phoenix_grpc.config.settings import Settings

__all__ = [
    "PREFIX",
    "ClientSettings",
    "Settings",
    "load_client_settings",
    "load_settings",
    "prefer_grpc_experiments",
    "share_metrics",
]
