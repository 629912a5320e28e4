"""Error that ends a command with a sentence."""

__all__ = ["DeploymentError"]


class DeploymentError(Exception):
    """A command cannot continue. The message states the problem and the next step."""
