-- A list is walked in its order until the page is full. What searches ask for most is in the index that is walked, so that the rows of those
-- who do not pass are not read.
drop index users_created;
create index users_created on users (created_at, user_id, connection, blocked, email_verified, email_normal, name_normal);

-- Few users are blocked: a search for them reads those alone, in the order of the list.
create index users_blocked on users (created_at, user_id) where blocked = 1;
