"""The servicers: message in, one store transaction, message out; they raise domain errors, never choose a status."""
