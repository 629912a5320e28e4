"""Access to a platform that ``tenantry up`` has created."""

from .context import Context, get_state_folder
from .platform import Platform
from .processes import LocalError

__all__ = ["has_platform", "open_platform"]


def has_platform() -> bool:
    """Return True if the state folder has a platform."""
    return (get_state_folder() / "secrets.json").exists()


def open_platform() -> Platform:
    """Return the platform of the state folder, with all optional parts.

    Raises
    ------
    LocalError
        The state folder has no platform.
    """
    if not has_platform():
        raise LocalError(f"There is no platform in {get_state_folder()}. Create it with `make up`.")
    return Platform(Context.open(get_state_folder(), all_parts=True))
