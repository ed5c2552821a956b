"""Statements about datasets and all that is in them."""
