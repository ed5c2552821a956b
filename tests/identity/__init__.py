"""Workloads that are known without a credential."""
