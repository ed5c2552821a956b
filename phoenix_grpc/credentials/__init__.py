"""Credentials as pure functions, without I/O: API keys, passwords, tokens, and the e-mails that people log in with."""
