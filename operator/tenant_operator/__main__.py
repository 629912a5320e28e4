"""``python -m tenant_operator``."""

from tenancy.settings import read_settings

from .handlers import run
from .settings import Settings


def main() -> None:
    """Read the settings and run; a wrong setting is named in a sentence."""
    settings = read_settings(Settings)
    run(settings)


if __name__ == "__main__":
    main()
