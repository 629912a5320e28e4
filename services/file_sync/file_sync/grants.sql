-- What file-sync may read of Open WebUI's database. `python -m file_sync.jobs.grants` runs it, as the owner of Open WebUI's
-- tables and once Open WebUI has made them; it may be run again at any time. The role itself is made by role.sql.
--
-- Whole JSON columns are granted where one key of them is needed, because Postgres knows no smaller grant.
-- Of "file".meta size, hash, knowledge base, directory and remover are read, of "file".data the status, of "user".oauth the subject;
-- the expressions are in source.py. No text of a chat and no password can be read.

revoke all on all tables in schema public from tenantry_file_sync;
grant usage on schema public to tenantry_file_sync;

grant select (id, user_id, filename, path, meta, data, created_at, updated_at)
  on public."file" to tenantry_file_sync;
grant select (knowledge_id, file_id, directory_id, created_at)
  on public.knowledge_file to tenantry_file_sync;
grant select (id, user_id)
  on public.chat to tenantry_file_sync;
grant select (chat_id, file_id, user_id, message_id, created_at)
  on public.chat_file to tenantry_file_sync;
grant select (chat_id, parent_id, role, model_id)
  on public.chat_message to tenantry_file_sync;
grant select (id, oauth)
  on public."user" to tenantry_file_sync;
