-- A bucket is looked up, written and emptied by its name alone, and most live within one commit: one page to write instead of two.
create table buckets_by_name (
  name text primary key,
  tokens integer not null,
  updated_at integer not null
) strict, without rowid;
insert into buckets_by_name (name, tokens, updated_at) select name, tokens, updated_at from buckets;
drop table buckets;
alter table buckets_by_name rename to buckets;
