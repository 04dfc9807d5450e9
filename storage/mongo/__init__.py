"""The store for more than one machine: MongoDB, as a replica set (or sharded) or, at a price, as one server."""
