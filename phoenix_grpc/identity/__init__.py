"""Who calls without a credential of ours: workloads that a certificate, or a proxy, vouches for."""
