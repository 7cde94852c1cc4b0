-- Log streams. `sink` is sealed; `cursor` is the last record that went out, `lease` whose turn it is.

create table log_streams (
  id text primary key,
  name text not null unique,
  type text not null,
  status text not null,
  data text not null,
  sink bytea not null,
  cursor text not null,
  due_at bigint not null,
  lease bigint not null,
  attempts bigint not null,
  failing_since bigint,
  created_at bigint not null
);
