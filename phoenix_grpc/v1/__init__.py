"""Stubs generated from protos/phoenix_grpc/v1 by scripts/generate; never edited."""
