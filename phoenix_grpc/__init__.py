"""Versioned evaluation datasets for LLM teams, over gRPC and HTTP, behind one auth guard."""

__version__ = "0.1.0"
