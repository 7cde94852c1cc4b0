-- Who is verified or blocked is in the indexes of names and addresses: "these names, and verified" is counted without reading the rows of all
-- who have such a name.
drop index users_email_any;
create index users_email_any on users (email_normal, created_at, user_id, email_verified, blocked);
drop index users_email_domain;
create index users_email_domain on users (email_domain, created_at, user_id, email_verified, blocked);
drop index users_name;
create index users_name on users (name_normal, created_at, user_id, email_verified, blocked);
drop index users_nickname;
create index users_nickname on users (nickname_normal, created_at, user_id, email_verified, blocked);
drop index users_given_name;
create index users_given_name on users (given_name_normal, created_at, user_id, email_verified, blocked)
 where given_name_normal is not null;
drop index users_family_name;
create index users_family_name on users (family_name_normal, created_at, user_id, email_verified, blocked)
 where family_name_normal is not null;
