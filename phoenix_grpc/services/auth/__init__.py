"""AuthService: sessions, passwords, users, keys and the audit log."""
