"""The sync loops: when each tenant is compared, and the execution of its plan."""
