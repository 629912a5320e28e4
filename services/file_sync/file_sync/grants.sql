-- Grants the columns of Open WebUI's database that file-sync reads. `python -m file_sync.jobs.grants` runs it as the
-- owner of Open WebUI's tables, once they exist. It may run again at any time. role.sql creates the role.
--
-- Postgres can only grant a JSON column as a whole. File-sync reads a few keys: size, hash, knowledge base, folder and
-- remover of "file".meta, the status of "file".data, and the subject of "user".oauth. The expressions are in
-- adapters/queries.py. The role can read no text of a chat and no password.

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
