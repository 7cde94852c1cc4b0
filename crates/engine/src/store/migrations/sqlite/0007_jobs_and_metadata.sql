-- Work that takes longer than a request: imports and exports of users, mails. Whoever works one off claims it for a while.
create table jobs (
  id text primary key,
  kind text not null,
  status text not null,
  data text not null,
  input blob,
  position integer not null,
  place text not null,
  claimed_until integer not null,
  created_at integer not null,
  ended_at integer
) strict;
create index jobs_status on jobs (status, created_at);

create table job_errors (
  job_id text not null references jobs (id) on delete cascade,
  number integer not null,
  data text not null,
  primary key (job_id, number)
) strict;

-- What an export has written so far: each part is a whole gzip member, and one after the other they are a file.
create table job_parts (
  job_id text not null references jobs (id) on delete cascade,
  number integer not null,
  content blob not null,
  primary key (job_id, number)
) strict;

create table job_links (
  token_hash text primary key,
  job_id text not null references jobs (id) on delete cascade,
  expires_at integer not null
) strict;

-- What operators write to sessions and refresh tokens.
alter table sessions add column metadata text;
alter table grants add column metadata text;
