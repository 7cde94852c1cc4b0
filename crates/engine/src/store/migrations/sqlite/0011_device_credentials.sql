-- Public keys of people's devices, as applications of Auth0's store them. Nobody is logged in by one.
create table device_credentials (
  id text primary key,
  user_id text not null references users (user_id) on delete cascade,
  client_id text not null references clients (client_id) on delete cascade,
  device_name text not null,
  device_id text not null,
  value text not null,
  created_at integer not null,
  unique (user_id, client_id, device_id)
) strict;
create index device_credentials_client on device_credentials (client_id);
