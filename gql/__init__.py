"""GraphQL speaks: schema, views over domain objects, HTTP, the command line."""
