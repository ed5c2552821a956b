"""The gRPC door: the adapter between gRPC and the guard, and where the server listens."""
