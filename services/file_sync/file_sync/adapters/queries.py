"""SQL queries on Open WebUI's database.

The queries read JSON as text, key by key. Users may put text into ``meta`` that Postgres refuses as JSON:
half an emoji, or a zero byte. One row with this text must not make every query fail. A forged value in
``meta`` is harmless: file-sync measures size and hash when it reads the content. A forged knowledge base
gives no access to people of another tenant.
"""

__all__ = [
    "FILES_BY_ID",
    "FILES_OF_PERSON",
    "FILES_OF_TENANT",
    "FINGERPRINTS",
    "FORBIDDEN_COLUMNS",
    "READ_COLUMNS",
]

READ_COLUMNS = {
    "file": ("id", "user_id", "filename", "path", "meta", "data", "created_at", "updated_at"),
    "knowledge_file": ("knowledge_id", "file_id", "directory_id", "created_at"),
    "chat": ("id", "user_id"),
    "chat_file": ("chat_id", "file_id", "user_id", "message_id", "created_at"),
    "chat_message": ("chat_id", "parent_id", "role", "model_id"),
    "user": ("id", "oauth"),
}
"""Columns that file-sync reads, by table; grants.sql grants these."""

FORBIDDEN_COLUMNS = {
    "chat": ("chat", "title"),
    "chat_message": ("content", "output"),
    "auth": ("password",),
}
"""Columns that the role must not be able to read."""


_KNOWLEDGE_LINKS = """
  select 'knowledge' as kind, knowledge_id as target, file_id, created_at as since,
         coalesce(directory_id, '') as folder
  from knowledge_file
"""


def _select_meta(key: str) -> str:
    """Return the SQL expression for a text in a file's metadata, or null if the key is absent."""
    return rf"""substring(f.meta::text from '"{key}"\s*:\s*"([^"\\]{{1,100}})"')"""


def _select_guard_note(key: str) -> str:
    """Return the SQL expression for a note of the guard in a file's metadata, or null if the note is absent.

    The last match counts: the guard appends its notes, and the text before them may come from the uploader.
    """
    return rf"""substring(f.meta::text from '.*"{key}"\s*:\s*"([^"\\]{{0,100}})"')"""


def _select_subject(account: str) -> str:
    """Return the SQL expression for an account's subject in Keycloak, or an empty string."""
    return rf"""
       coalesce(case when {account}.oauth::text !~ '\\u'
                then {account}.oauth::text::json -> 'oidc' ->> 'sub' end, '')"""


def _select_pending_links(condition: str) -> str:
    """Return the query for files whose addition to a knowledge base is running or failed.

    A failed addition counts because the gateway reads more formats than Open WebUI. The status is in the
    column that also holds the file's whole text. So the query reads this column last, and for one file at a
    time.
    """
    return rf"""
    select 'knowledge' as kind, u.knowledge_id as target, u.id as file_id, u.created_at as since,
           u.directory_id as folder from (
      select f.id, f.created_at, {_select_meta("knowledge_id")} as knowledge_id,
             coalesce({_select_meta("directory_id")}, '') as directory_id
      from file f
      -- Not "like": Postgres would expect few such rows, and scan all links for each of them.
      where position('"knowledge_id"' in f.meta::text) > 0
        and not exists (select from knowledge_file k where k.file_id = f.id)
      offset 0
    ) u
    where u.knowledge_id is not null and {condition} and (
      select f.data::text ~ '[{{,]\s*"status"\s*:\s*"(pending|processing|failed)"'
      from file f where f.id = u.id
    )
    """


def _select_chat_links(condition: str) -> str:
    """Return the query for files that their owner sent in their chat, with the models that answered.

    A person who may read a colleague's file can attach it to a chat. The colleague's file becomes no
    document.
    """
    return f"""
    select 'model' as kind, m.model_id as target, s.file_id, s.created_at as since, '' as folder
    from chat_file s
    join file f on f.id = s.file_id
    join chat c on c.id = s.chat_id
    join chat_message m on m.chat_id = s.chat_id
    where s.user_id = f.user_id and c.user_id = f.user_id
      and m.role = 'assistant' and m.model_id like 'tenant-%%'
      and (s.message_id is null or m.parent_id = s.message_id)
      and {condition}
    """


FINGERPRINTS = f"""
with links as (
  {_KNOWLEDGE_LINKS}
  union all {_select_pending_links("true")}
  union all {_select_chat_links("true")}
)
select l.kind, l.target, count(*)::text || ':' || sum(hashtextextended(
         concat_ws('|', f.id, f.user_id, f.filename, f.path, f.updated_at, l.since, l.folder), 0))::text
         as fingerprint
from links l join file f on f.id = l.file_id
group by l.kind, l.target
"""

_LINKS = f"""
links as (
  {_KNOWLEDGE_LINKS} where file_id in (select id from chosen)
  union all {_select_pending_links("u.id in (select id from chosen)")}
  union all {_select_chat_links("s.file_id in (select id from chosen)")}
),
linked as (
  select file_id, json_agg(json_build_array(since, kind, target, folder)) as links
  from links group by file_id
)
"""
"""All links of the chosen files, to any target."""

_FILES = rf"""
select f.id, f.user_id as owner, coalesce(f.filename, '') as filename, coalesce(f.path, '') as path,
       substring(f.meta::text from '"size"\s*:\s*([0-9]{{1,15}})')::bigint as size,
       coalesce(substring(f.meta::text from '"file_hash"\s*:\s*"([0-9a-fA-F]{{64}})"'), '') as digest,
       coalesce(f.created_at, 0) as created_at, coalesce(f.updated_at, f.created_at, 0) as updated_at,
       {_select_subject("u")} as subject,
       coalesce(l.links, '[]') as links,
       coalesce({_select_guard_note("tenantry_added_to")}, {_select_meta("knowledge_id")}, '') as knowledge,
       coalesce({_select_meta("directory_id")}, '') as folder,
       {_select_subject("r")} as remover
from chosen join file f on f.id = chosen.id
left join linked l on l.file_id = f.id
left join "user" u on u.id = f.user_id
left join "user" r on r.id = {_select_guard_note("tenantry_removed_by")}
"""

FILES_OF_TENANT = f"""
with chosen as materialized (
  select file_id as id from knowledge_file where knowledge_id = any(%(knowledge)s)
  union
  select file_id from ({_select_pending_links("u.knowledge_id = any(%(knowledge)s)")}) pending
  union
  select file_id from ({_select_chat_links("m.model_id = any(%(models)s)")}) sent
),
{_LINKS}
{_FILES}
"""

FILES_BY_ID = f"""
with chosen as materialized (select id from file where id = any(%(ids)s)),
{_LINKS}
{_FILES}
"""

FILES_OF_PERSON = f"""
with chosen as materialized (
  select f.id from file f
  where f.user_id in (
    select id from "user"
    where oauth::text !~ '\\\\u' and oauth::text::json -> 'oidc' ->> 'sub' = %(subject)s
  )
    and (%(ids)s::text[] is null or f.id = any(%(ids)s))
  order by f.created_at desc, f.id
  limit %(limit)s
),
{_LINKS}
{_FILES}
order by f.created_at desc, f.id
"""
