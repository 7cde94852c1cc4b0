-- Accounts that were linked to a user: what logs the user in beside its own account, and what such an account is given back with. Their names
-- are taken in their connection as those of users are.
create table linked_accounts (
  user_id text primary key,
  owner_id text not null references users (user_id) on delete cascade,
  connection text not null,
  email text,
  email_normal text,
  email_verified bigint not null,
  username text,
  username_normal text,
  phone_number text,
  phone_verified bigint not null,
  profile text not null,
  password_hash text,
  password_changed_at bigint,
  created_at bigint not null,
  linked_at bigint not null
);
create index linked_accounts_owner on linked_accounts (owner_id);
create unique index linked_accounts_email on linked_accounts (connection, email_normal);
create unique index linked_accounts_username on linked_accounts (connection, username_normal);
create unique index linked_accounts_phone on linked_accounts (connection, phone_number);
