"""Tests of the Redis users, in the ACL file and on the page for ElastiCache."""

from tenantry_local.context import REPOSITORY
from tenantry_local.redis_users import USERS, build_acl_file

PAGE = REPOSITORY / "docs" / "how-to" / "secrets.md"
PASSWORDS = {user: f"secret of {user}" for user in USERS}


def test_the_page_names_each_user_with_its_rules() -> None:
    lines = PAGE.read_text().splitlines()
    for user, rules in USERS.items():
        assert f"| `{user}` | `{rules}` |" in lines


def test_the_file_holds_no_password() -> None:
    text = build_acl_file(PASSWORDS, admin="secret of all")
    assert "secret" not in text


def test_the_default_user_is_off_without_an_admin_password() -> None:
    default = build_acl_file(PASSWORDS).splitlines()[0]
    assert default == "user default off resetkeys resetchannels -@all"
    assert "+@all" not in build_acl_file(PASSWORDS)
