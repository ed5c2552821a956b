"""The composition root, and what a server does beside answering calls."""
