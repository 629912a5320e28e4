"""``python -m tenant_operator``."""

from prometheus_client import start_http_server
from tenancy.settings import read_settings

from .handlers import run
from .settings import Settings


def main() -> None:
    """Read the settings and run; a wrong setting is named in a sentence."""
    settings = read_settings(Settings)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.probes_host)
    run(settings)


if __name__ == "__main__":
    main()
