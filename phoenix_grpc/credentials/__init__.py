"""Credentials as pure functions, without I/O: API keys, passwords, tokens, and e-mails."""
