"""Redis users and their ACL rules, for the local platform and ``tools.dev_secrets``."""

import hashlib
from collections.abc import Mapping

__all__ = ["GATEWAY", "N8N", "OPEN_WEBUI", "OPERATOR", "PROBE_USER", "USERS", "build_acl_file"]

OPERATOR, GATEWAY = "tenantry-operator", "tenantry-gateway"
N8N, OPEN_WEBUI = "tenantry-n8n", "tenantry-open-webui"

PROBE_USER = "probe"
"""User of the kubelet's probe, without a password; its only command is PING."""

_DATA = "-@all +@read +@write +@transaction +@connection +select +time"
_NO_KEY_LISTING = "-scan -randomkey -dbsize"
_SCRIPTS = "+eval +evalsha +script|load"
_NO_DANGEROUS = "-@dangerous"
"""Excludes KEYS, FLUSHALL, CONFIG, DEBUG, MONITOR and similar commands."""

USERS: Mapping[str, str] = {
    # The operator scans the names of all keys to find a tenant's keys, but can read only tenants' values.
    # A script sets a tombstone and reads the leases of writes in one step.
    OPERATOR: f"~tenant-* {_DATA} {_SCRIPTS} {_NO_DANGEROUS}",
    GATEWAY: f"~tenant-* {_DATA} {_SCRIPTS} {_NO_KEY_LISTING} {_NO_DANGEROUS}",
    # n8n's queue library, Bull, reads the server's version and sets names of connections.
    N8N: "~bull:* ~n8n:* &bull:* &n8n:* &n8n.* "
    f"{_DATA} {_SCRIPTS} +@pubsub {_NO_KEY_LISTING} {_NO_DANGEROUS} +info +client|setname",
    OPEN_WEBUI: "~open-webui:* &open-webui:* &socketio* "
    f"{_DATA} {_SCRIPTS} +@pubsub {_NO_KEY_LISTING} {_NO_DANGEROUS} +info",
}
"""ACL rules of each user, in the syntax of ``ACL SETUSER``."""


def build_acl_file(passwords: Mapping[str, str], *, admin: str = "") -> str:
    """Return the text of an ACL file with all users.

    Parameters
    ----------
    passwords
        Password of each of :data:`USERS`; the file holds only its SHA-256.
    admin
        Password of the ``default`` user, which has all rights; empty disables that user.
    """
    everything = f"on {_hash_password(admin)} ~* &* +@all" if admin else "off resetkeys resetchannels -@all"
    lines = [
        f"user default {everything}",
        f"user {PROBE_USER} on nopass resetkeys resetchannels -@all +ping",
        *(f"user {name} on {_hash_password(passwords[name])} resetchannels {USERS[name]}" for name in USERS),
    ]
    return "\n".join(lines) + "\n"


def _hash_password(password: str) -> str:
    return "#" + hashlib.sha256(password.encode()).hexdigest()
