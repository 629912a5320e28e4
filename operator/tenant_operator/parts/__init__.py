"""What a tenant consists of outside Kubernetes: one part an external system, all with the same verbs."""
