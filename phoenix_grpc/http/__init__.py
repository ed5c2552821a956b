"""The HTTP door: Phoenix's REST API as a client of the gRPC server; it decides nothing about access."""

PHOENIX_VERSION = "20.26.1"
"""The version of Phoenix whose clients work with this server; they parse it as three integers."""
