"""A host, or a whole cluster, examined before something goes wrong: facts, checks, findings."""
