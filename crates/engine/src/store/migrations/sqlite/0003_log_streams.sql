-- Log streams. `sink` is sealed; `cursor` is the last record that went out, `lease` whose turn it is.

create table log_streams (
  id text primary key,
  name text not null unique,
  type text not null,
  status text not null,
  data text not null,
  sink blob not null,
  cursor text not null,
  due_at integer not null,
  lease integer not null,
  attempts integer not null,
  failing_since integer,
  created_at integer not null
) strict;
