-- Run once, as the superuser, when the data folder is made, after file-sync's role.sql. Each role has the database of its
-- own name and reaches no other's; their passwords come from the environment, and so out of the Secret.
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

-- Only a superuser may.
\connect openwebui
create extension vector;
