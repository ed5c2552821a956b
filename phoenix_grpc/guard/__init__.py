"""The guard: who calls, whether they may, and what bounds them. It knows no transport."""
