"""Users of Redis: what each program may call, on which keys and channels. For local/ and dev_secrets."""

import hashlib
from collections.abc import Mapping

__all__ = ["GATEWAY", "N8N", "OPEN_WEBUI", "OPERATOR", "PROBE", "USERS", "acl_file"]

OPERATOR, GATEWAY = "tenantry-operator", "tenantry-gateway"
N8N, OPEN_WEBUI = "tenantry-n8n", "tenantry-open-webui"

PROBE = "probe"
"""The kubelet's user: it has no password and may do nothing but PING."""

_DATA = "-@all +@read +@write +@transaction +@connection +select +time"
_NO_KEY_LISTING = "-scan -randomkey -dbsize"
_SCRIPTS = "+eval +evalsha +script|load"
_NO_DANGEROUS = "-@dangerous"
"""Without KEYS, FLUSHALL, CONFIG, DEBUG, MONITOR and their like."""

USERS: Mapping[str, str] = {
    # To delete a tenant's keys it looks through the names of all keys; it reads the values of tenants' alone.
    # Its script sets a tombstone and reads the leases of writes in one step.
    OPERATOR: f"~tenant-* {_DATA} {_SCRIPTS} {_NO_DANGEROUS}",
    GATEWAY: f"~tenant-* {_DATA} {_SCRIPTS} {_NO_KEY_LISTING} {_NO_DANGEROUS}",
    # Bull asks for the server's version, and names its connections.
    N8N: "~bull:* ~n8n:* &bull:* &n8n:* &n8n.* "
    f"{_DATA} {_SCRIPTS} +@pubsub {_NO_KEY_LISTING} {_NO_DANGEROUS} +info +client|setname",
    OPEN_WEBUI: "~open-webui:* &open-webui:* &socketio* "
    f"{_DATA} {_SCRIPTS} +@pubsub {_NO_KEY_LISTING} {_NO_DANGEROUS} +info",
}
"""ACL rules of each user, in the words of ``ACL SETUSER``."""


def acl_file(passwords: Mapping[str, str], *, admin: str = "") -> str:
    """Return an ACL file with every user.

    Parameters
    ----------
    passwords
        The password of each of :data:`USERS`; the file holds its SHA-256 only.
    admin
        Password of Redis' ``default`` user, which may do everything; empty for no such user.
    """
    everything = f"on {_password_hash(admin)} ~* &* +@all" if admin else "off resetkeys resetchannels -@all"
    lines = [
        f"user default {everything}",
        f"user {PROBE} on nopass resetkeys resetchannels -@all +ping",
        *(f"user {name} on {_password_hash(passwords[name])} resetchannels {USERS[name]}" for name in USERS),
    ]
    return "\n".join(lines) + "\n"


def _password_hash(password: str) -> str:
    return "#" + hashlib.sha256(password.encode()).hexdigest()
