-- Runs once, as the superuser, when the data folder is created, after file-sync's role.sql. Each role owns the database with
-- its name and cannot connect to another. The passwords come from the Secret, through the environment.
\getenv keycloak KEYCLOAK_PASSWORD
\getenv n8n N8N_PASSWORD
\getenv openwebui OPENWEBUI_PASSWORD
\getenv file_sync FILE_SYNC_PASSWORD

create role keycloak login password :'keycloak';
create role n8n login password :'n8n';
create role openwebui login password :'openwebui';

create database keycloak owner keycloak;
create database n8n owner n8n;
create database openwebui owner openwebui;
revoke all on database keycloak, n8n, openwebui from public;

alter role tenantry_file_sync password :'file_sync';
grant connect on database openwebui to tenantry_file_sync;

-- Only a superuser may create this extension.
\connect openwebui
create extension vector;
