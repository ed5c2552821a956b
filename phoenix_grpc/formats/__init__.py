"""Files <-> records, streaming, without I/O; memory is bounded by the record, not by the file."""
