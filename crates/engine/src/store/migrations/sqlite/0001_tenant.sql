-- Booleans are 0/1, times are milliseconds UTC, JSON is text that SQL never looks into, sealed columns are blobs.

create table meta (
  name text primary key,
  value text not null
) strict;

create table settings (
  name text primary key,
  data text not null,
  sealed blob,
  updated_at integer not null
) strict;

create table clients (
  client_id text primary key,
  name text not null,
  is_global integer not null,
  is_first_party integer not null,
  app_type text,
  data text not null,
  secret blob,
  created_at integer not null,
  updated_at integer not null
) strict;

create table resource_servers (
  id text primary key,
  identifier text not null unique,
  name text not null,
  is_system integer not null,
  data text not null,
  created_at integer not null,
  updated_at integer not null
) strict;

create table client_grants (
  id text primary key,
  client_id text not null references clients (client_id) on delete cascade,
  audience text not null,
  subject_type text not null,
  data text not null,
  created_at integer not null,
  unique (client_id, audience, subject_type)
) strict;

create table connections (
  id text primary key,
  name text not null unique,
  strategy text not null,
  data text not null,
  created_at integer not null,
  updated_at integer not null
) strict;

create table connection_clients (
  connection_id text not null references connections (id) on delete cascade,
  client_id text not null references clients (client_id) on delete cascade,
  primary key (connection_id, client_id)
) strict;

create table users (
  user_id text primary key,
  connection text not null,
  email text,
  email_normal text,
  email_verified integer not null,
  username text,
  username_normal text,
  phone_number text,
  phone_verified integer not null,
  name text,
  nickname text,
  given_name text,
  family_name text,
  picture text,
  user_metadata text,
  app_metadata text,
  identities text not null,
  blocked integer not null,
  blocked_set integer not null,
  password_hash text,
  password_changed_at integer,
  mfa_changed_at integer,
  last_login integer,
  last_ip text,
  logins_count integer not null,
  created_at integer not null,
  updated_at integer not null
) strict;
create unique index users_email on users (connection, email_normal);
create unique index users_username on users (connection, username_normal);
create unique index users_phone on users (connection, phone_number);
create index users_email_any on users (email_normal);
create index users_created on users (created_at, user_id);

create table user_handles (
  user_id text primary key references users (user_id) on delete cascade,
  handle text not null unique
) strict;

create table declined_offers (
  user_id text not null references users (user_id) on delete cascade,
  offer text not null,
  browser text not null,
  until integer,
  primary key (user_id, offer, browser)
) strict;

create table authenticators (
  id text primary key,
  user_id text not null references users (user_id) on delete cascade,
  kind text not null,
  confirmed integer not null,
  name text,
  data blob not null,
  credential_hash text unique,
  spent_step integer,
  spent_at integer,
  link_id text,
  created_at integer not null,
  enrolled_at integer,
  last_auth_at integer
) strict;
create index authenticators_user on authenticators (user_id, created_at);

create table transactions (
  id text primary key,
  version integer not null,
  cookie_hash text not null,
  client_id text not null,
  user_id text,
  data blob not null,
  created_at integer not null,
  expires_at integer not null
) strict;
create index transactions_expiry on transactions (expires_at);

create table sessions (
  id text primary key,
  handle_hash text not null unique,
  user_id text not null references users (user_id) on delete cascade,
  methods text not null,
  auth_time integer not null,
  clients text not null,
  device text not null,
  created_at integer not null,
  last_used_at integer not null,
  idle_expires_at integer not null,
  expires_at integer not null
) strict;
create index sessions_user on sessions (user_id, created_at);
create index sessions_expiry on sessions (expires_at);

create table remembered_browsers (
  id text primary key,
  handle_hash text not null,
  user_id text not null references users (user_id) on delete cascade,
  user_agent text not null,
  created_at integer not null,
  last_used_at integer not null,
  expires_at integer not null,
  unique (handle_hash, user_id)
) strict;
create index remembered_browsers_user on remembered_browsers (user_id, created_at);

create table consents (
  id text primary key,
  user_id text not null references users (user_id) on delete cascade,
  client_id text not null references clients (client_id) on delete cascade,
  audience text not null,
  scope text not null,
  created_at integer not null,
  updated_at integer not null,
  unique (user_id, client_id, audience)
) strict;

create table pushed_requests (
  uri_hash text primary key,
  client_id text not null,
  params text not null,
  created_at integer not null,
  expires_at integer not null,
  used_at integer
) strict;

create table authorization_codes (
  code_hash text primary key,
  client_id text not null,
  user_id text not null references users (user_id) on delete cascade,
  data text not null,
  created_at integer not null,
  expires_at integer not null,
  used_at integer,
  grant_id text
) strict;
create index authorization_codes_expiry on authorization_codes (expires_at);

create table grants (
  id text primary key,
  user_id text not null references users (user_id) on delete cascade,
  client_id text not null references clients (client_id) on delete cascade,
  session_id text,
  audience text,
  scope text not null,
  methods text not null,
  auth_time integer not null,
  rotating integer not null,
  device text not null,
  created_at integer not null,
  last_exchanged_at integer,
  idle_expires_at integer,
  expires_at integer,
  revoked_at integer
) strict;
create index grants_user on grants (user_id, client_id, created_at);

create table refresh_tokens (
  token_hash text primary key,
  grant_id text not null references grants (id) on delete cascade,
  sequence integer not null,
  created_at integer not null,
  used_at integer
) strict;
create index refresh_tokens_grant on refresh_tokens (grant_id, sequence);

create table opaque_tokens (
  token_hash text primary key,
  user_id text not null references users (user_id) on delete cascade,
  client_id text not null,
  scope text not null,
  grant_id text,
  created_at integer not null,
  expires_at integer not null,
  revoked_at integer
) strict;
create index opaque_tokens_expiry on opaque_tokens (expires_at);

create table tickets (
  id_hash text primary key,
  kind text not null,
  user_id text not null references users (user_id) on delete cascade,
  data text not null,
  created_at integer not null,
  expires_at integer not null,
  used_at integer
) strict;

create table assertion_ids (
  client_id text not null,
  jti text not null,
  expires_at integer not null,
  primary key (client_id, jti)
) strict;

-- Looked up, written and emptied by its name alone, and mostly within one commit: so one page is written instead of two.
create table buckets (
  name text primary key,
  tokens integer not null,
  updated_at integer not null
) strict, without rowid;

create table signing_keys (
  kid text primary key,
  algorithm text not null,
  state text not null,
  private blob not null,
  public text not null,
  certificate text,
  created_at integer not null,
  rotated_at integer,
  revoked_at integer
) strict;

create table outbox (
  id text primary key,
  kind text not null,
  user_id text,
  recipient blob not null,
  content blob not null,
  created_at integer not null,
  due_at integer not null,
  expires_at integer not null,
  attempts integer not null,
  sent_at integer,
  failed_at integer,
  error text,
  sequence integer not null
) strict;
create index outbox_due on outbox (due_at);
create index outbox_sequence on outbox (sequence);

create table logs (
  log_id text primary key,
  type text not null,
  date integer not null,
  client_id text,
  user_id text,
  connection text,
  ip text,
  data text not null
) strict;
create index logs_user on logs (user_id, log_id);
create index logs_date on logs (date);

create table decisions (
  id text primary key,
  transaction_id text not null,
  user_id text,
  client_id text not null,
  data text not null,
  created_at integer not null
) strict;
create index decisions_transaction on decisions (transaction_id, created_at);
create index decisions_user on decisions (user_id, created_at);

create table client_credentials (
  id text primary key,
  client_id text not null references clients (client_id) on delete cascade,
  data text not null,
  pem text,
  created_at integer not null
) strict;
create index client_credentials_client on client_credentials (client_id, created_at);

create table roles (
  id text primary key,
  name text not null unique,
  description text not null,
  created_at integer not null
) strict;

create table role_permissions (
  role_id text not null references roles (id) on delete cascade,
  audience text not null references resource_servers (identifier) on delete cascade,
  name text not null,
  primary key (role_id, audience, name)
) strict;

create table user_roles (
  user_id text not null references users (user_id) on delete cascade,
  role_id text not null references roles (id) on delete cascade,
  created_at integer not null,
  primary key (user_id, role_id)
) strict;
create index user_roles_role on user_roles (role_id);

create table user_permissions (
  user_id text not null references users (user_id) on delete cascade,
  audience text not null references resource_servers (identifier) on delete cascade,
  name text not null,
  created_at integer not null,
  primary key (user_id, audience, name)
) strict;

create table ceremonies (
  handle_hash text primary key,
  version integer not null,
  kind text not null,
  user_id text not null references users (user_id) on delete cascade,
  client_id text not null,
  data blob not null,
  created_at integer not null,
  expires_at integer not null,
  used_at integer
) strict;
create index ceremonies_user on ceremonies (user_id);
create index ceremonies_expiry on ceremonies (expires_at);

-- What logs in without a password: codes that were sent, ceremonies of passkeys.
create table login_codes (
  key_hash text primary key,
  version integer not null,
  data blob not null,
  created_at integer not null,
  expires_at integer not null,
  used_at integer
) strict;
create index login_codes_expiry on login_codes (expires_at);
