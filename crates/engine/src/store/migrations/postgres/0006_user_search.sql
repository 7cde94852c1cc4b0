-- What users are searched by. The normal spellings are lower-case; the order of every index ends with that of the list, so that a page and
-- a count read the index alone. The order is that of the bytes, as SQLite has it: others know no "begins with".
alter table users add column email_domain text collate "C";
alter table users add column name_normal text collate "C";
alter table users add column nickname_normal text collate "C";
alter table users add column given_name_normal text collate "C";
alter table users add column family_name_normal text collate "C";
alter table users alter column email_normal type text collate "C";
alter table users alter column username type text collate "C";
update users set email_domain = substr(email_normal, strpos(email_normal, '@') + 1),
 name_normal = lower(name), nickname_normal = lower(nickname),
 given_name_normal = lower(given_name), family_name_normal = lower(family_name);

drop index users_email_any;
drop index users_created;
create index users_created on users (created_at, user_id, connection, blocked, email_verified);
create index users_connection on users (connection, created_at, user_id);
create index users_email_any on users (email_normal, created_at, user_id);
create index users_email_domain on users (email_domain, created_at, user_id);
create index users_username_any on users (username, created_at, user_id) where username is not null;
create index users_phone_any on users (phone_number, created_at, user_id) where phone_number is not null;
create index users_name on users (name_normal, created_at, user_id);
create index users_nickname on users (nickname_normal, created_at, user_id);
create index users_given_name on users (given_name_normal, created_at, user_id) where given_name_normal is not null;
create index users_family_name on users (family_name_normal, created_at, user_id) where family_name_normal is not null;
create index users_last_login on users (last_login desc nulls last, user_id desc);
create index users_logins_count on users (logins_count, user_id);

-- Metadata and linked accounts, flattened. created_at is the user's.
create table user_attributes (
  path text collate "C" not null,
  value text collate "C" not null,
  created_at bigint not null,
  user_id text not null references users (user_id) on delete cascade,
  primary key (path, value, created_at, user_id)
);
create index user_attributes_user on user_attributes (user_id);
