-- What else of a record searches ask for.

alter table logs add column connection_id text;
alter table logs add column client_name text;
alter table logs add column user_name text;
alter table logs add column description text;
alter table logs add column hostname text;
alter table logs add column user_agent text;
