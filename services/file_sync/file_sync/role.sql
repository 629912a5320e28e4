-- The role with which file-sync reads Open WebUI's database. Run it once, as somebody who may make roles (on RDS the
-- administrator). Then give it a password (psql: \password tenantry_file_sync) and let it in:
--   grant connect on database openwebui to tenantry_file_sync;
-- What it may read is in grants.sql.

do $$
begin
  if not exists (select from pg_roles where rolname = 'tenantry_file_sync') then
    create role tenantry_file_sync login;
  end if;
end
$$;

alter role tenantry_file_sync set default_transaction_read_only = on;
alter role tenantry_file_sync set statement_timeout = '30s';
