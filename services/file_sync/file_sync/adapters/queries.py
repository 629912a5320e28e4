"""What is asked of Open WebUI's database.

JSON is read as text, key by key. What users may put into ``meta`` is not always sound JSON to Postgres (half
an emoji, a zero byte), and one such row must not make every query fail. A value that was faked there is
harmless: size and hash are measured when the content is read, and a knowledge base opens nothing to somebody
of another tenant.
"""

__all__ = ["BY_ID", "FINGERPRINTS", "OF_PERSON", "OF_TENANT", "READ", "UNREADABLE"]

READ = {
    "file": ("id", "user_id", "filename", "path", "meta", "data", "created_at", "updated_at"),
    "knowledge_file": ("knowledge_id", "file_id", "directory_id", "created_at"),
    "chat": ("id", "user_id"),
    "chat_file": ("chat_id", "file_id", "user_id", "message_id", "created_at"),
    "chat_message": ("chat_id", "parent_id", "role", "model_id"),
    "user": ("id", "oauth"),
}
"""The columns that are read, by table; grants.sql grants these."""

UNREADABLE = {"chat": ("chat", "title"), "chat_message": ("content", "output"), "auth": ("password",)}
"""Columns that must not be readable: with them the role is not the one of grants.sql."""


_IN_KNOWLEDGE = """
  select 'knowledge' as kind, knowledge_id as target, file_id, created_at as since,
         coalesce(directory_id, '') as directory
  from knowledge_file
"""


def _meta(key: str) -> str:
    """Return the expression for a text in a file's metadata; null where there is none."""
    return rf"""substring(f.meta::text from '"{key}"\s*:\s*"([^"\\]{{1,100}})"')"""


def _note(key: str) -> str:
    """Return the expression for a note of the guard in a file's metadata; null where there is none.

    The last one counts: the guard appends its notes, and what stands before them may come from the uploader.
    """
    return rf"""substring(f.meta::text from '.*"{key}"\s*:\s*"([^"\\]{{0,100}})"')"""


def _subject(account: str) -> str:
    """Return the expression for an account's subject at Keycloak; empty where it has none."""
    return rf"""
       coalesce(case when {account}.oauth::text !~ '\\u'
                then {account}.oauth::text::json -> 'oidc' ->> 'sub' end, '')"""


def _coming(which: str) -> str:
    """Return files on their way into a knowledge base, or that Open WebUI could not read: we may be able to.

    Beside the status lies the whole text of the file, so it is looked at last, and one file at a time.
    """
    return rf"""
    select 'knowledge' as kind, u.knowledge_id as target, u.id as file_id, u.created_at as since,
           u.directory_id as directory from (
      select f.id, f.created_at, {_meta("knowledge_id")} as knowledge_id,
             coalesce({_meta("directory_id")}, '') as directory_id
      from file f
      -- Not "like": Postgres would take such rows for few, and look through all links for each of them.
      where position('"knowledge_id"' in f.meta::text) > 0
        and not exists (select from knowledge_file k where k.file_id = f.id)
      offset 0
    ) u
    where u.knowledge_id is not null and {which} and (
      select f.data::text ~ '[{{,]\s*"status"\s*:\s*"(pending|processing|failed)"'
      from file f where f.id = u.id
    )
    """


def _sent(which: str) -> str:
    """Return files that their owner sent in a chat of their own, and the models that answered that message.

    Whoever may read somebody's file can attach it to a chat. That makes it nobody's knowledge.
    """
    return f"""
    select 'model' as kind, m.model_id as target, s.file_id, s.created_at as since, '' as directory
    from chat_file s
    join file f on f.id = s.file_id
    join chat c on c.id = s.chat_id
    join chat_message m on m.chat_id = s.chat_id
    where s.user_id = f.user_id and c.user_id = f.user_id
      and m.role = 'assistant' and m.model_id like 'tenant-%%'
      and (s.message_id is null or m.parent_id = s.message_id)
      and {which}
    """


FINGERPRINTS = f"""
with links as (
  {_IN_KNOWLEDGE}
  union all {_coming("true")}
  union all {_sent("true")}
)
select l.kind, l.target, count(*)::text || ':' || sum(hashtextextended(
         concat_ws('|', f.id, f.user_id, f.filename, f.path, f.updated_at, l.since, l.directory), 0))::text
         as fingerprint
from links l join file f on f.id = l.file_id
group by l.kind, l.target
"""

_LINKS = f"""
links as (
  {_IN_KNOWLEDGE} where file_id in (select id from chosen)
  union all {_coming("u.id in (select id from chosen)")}
  union all {_sent("s.file_id in (select id from chosen)")}
),
linked as (
  select file_id, json_agg(json_build_array(since, kind, target, directory)) as links
  from links group by file_id
)
"""
"""All links of the files that were chosen, wherever they lead."""

_FILES = rf"""
select f.id, f.user_id as owner, coalesce(f.filename, '') as filename, coalesce(f.path, '') as path,
       substring(f.meta::text from '"size"\s*:\s*([0-9]{{1,15}})')::bigint as size,
       coalesce(substring(f.meta::text from '"file_hash"\s*:\s*"([0-9a-fA-F]{{64}})"'), '') as digest,
       coalesce(f.created_at, 0) as created_at, coalesce(f.updated_at, f.created_at, 0) as updated_at,
       {_subject("u")} as subject,
       coalesce(l.links, '[]') as links,
       coalesce({_note("tenantry_added_to")}, {_meta("knowledge_id")}, '') as knowledge,
       coalesce({_meta("directory_id")}, '') as directory,
       {_subject("r")} as remover
from chosen join file f on f.id = chosen.id
left join linked l on l.file_id = f.id
left join "user" u on u.id = f.user_id
left join "user" r on r.id = {_note("tenantry_removed_by")}
"""

OF_TENANT = f"""
with chosen as materialized (
  select file_id as id from knowledge_file where knowledge_id = any(%(knowledge)s)
  union
  select file_id from ({_coming("u.knowledge_id = any(%(knowledge)s)")}) coming
  union
  select file_id from ({_sent("m.model_id = any(%(models)s)")}) sent
),
{_LINKS}
{_FILES}
"""

BY_ID = f"""
with chosen as materialized (select id from file where id = any(%(ids)s)),
{_LINKS}
{_FILES}
"""

OF_PERSON = f"""
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
