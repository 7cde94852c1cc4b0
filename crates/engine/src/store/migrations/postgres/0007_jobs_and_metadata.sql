-- Work that takes longer than a request: imports and exports of users, mails. Whoever works one off claims it for a while.
create table jobs (
  id text primary key,
  kind text not null,
  status text not null,
  data text not null,
  input bytea,
  position bigint not null,
  place text not null,
  claimed_until bigint not null,
  created_at bigint not null,
  ended_at bigint
);
create index jobs_status on jobs (status, created_at);

create table job_errors (
  job_id text not null references jobs (id) on delete cascade,
  number bigint not null,
  data text not null,
  primary key (job_id, number)
);

-- What an export has written so far: each part is a whole gzip member, and one after the other they are a file.
create table job_parts (
  job_id text not null references jobs (id) on delete cascade,
  number bigint not null,
  content bytea not null,
  primary key (job_id, number)
);

create table job_links (
  token_hash text primary key,
  job_id text not null references jobs (id) on delete cascade,
  expires_at bigint not null
);

-- SQLite's name for it.
create function instr(text, text) returns integer language sql immutable strict parallel safe
 as 'select strpos($1, $2)';

-- What operators write to sessions and refresh tokens.
alter table sessions add column metadata text;
alter table grants add column metadata text;
