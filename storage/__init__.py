"""Storage remembers: two adapters of domain.ports.Store, one codec."""
