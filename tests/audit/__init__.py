"""GraphQL over HTTP, audited by the reference implementation's own suite."""
