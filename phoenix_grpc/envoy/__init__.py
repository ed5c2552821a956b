"""Stubs of what Envoy defines, made by scripts/generate."""
