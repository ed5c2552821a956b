"""Statements about users, sessions, passwords and API keys."""
