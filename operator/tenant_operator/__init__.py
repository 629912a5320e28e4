"""The operator: what a Tenant declares is made, kept, and taken away again."""
