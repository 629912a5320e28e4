-- Creates the role with which file-sync reads Open WebUI's database. Run it once, with a role that may create roles (on RDS
-- the administrator). Then set a password (psql: \password tenantry_file_sync) and allow the connection:
--   grant connect on database openwebui to tenantry_file_sync;
-- grants.sql lists the tables that it may read.

do $$
begin
  if not exists (select from pg_roles where rolname = 'tenantry_file_sync') then
    create role tenantry_file_sync login;
  end if;
end
$$;

alter role tenantry_file_sync set default_transaction_read_only = on;
alter role tenantry_file_sync set statement_timeout = '30s';
