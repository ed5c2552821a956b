"""The PostgreSQL engine: several processes, and several machines, on one database."""
