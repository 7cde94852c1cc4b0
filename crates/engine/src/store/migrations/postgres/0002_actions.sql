-- Actions and their modules. `secrets` are sealed; `versions` counts what was deployed or published so far.

create table actions (
  id text primary key,
  name text not null unique,
  trigger_id text not null,
  data text not null,
  secrets bytea not null,
  versions bigint not null,
  deployed_version text,
  created_at bigint not null,
  updated_at bigint not null
);

create table action_versions (
  id text primary key,
  action_id text not null references actions (id) on delete cascade,
  number bigint not null,
  data text not null,
  secrets bytea not null,
  created_at bigint not null,
  unique (action_id, number)
);

create table trigger_bindings (
  id text primary key,
  trigger_id text not null,
  position bigint not null,
  action_id text not null references actions (id) on delete cascade,
  display_name text not null,
  created_at bigint not null,
  unique (trigger_id, position),
  unique (trigger_id, action_id)
);

create table action_modules (
  id text primary key,
  name text not null unique,
  data text not null,
  secrets bytea not null,
  versions bigint not null,
  created_at bigint not null,
  updated_at bigint not null
);

create table action_module_versions (
  id text primary key,
  module_id text not null references action_modules (id) on delete cascade,
  number bigint not null,
  data text not null,
  secrets bytea not null,
  created_at bigint not null,
  unique (module_id, number)
);

create table action_module_uses (
  action_id text not null references actions (id) on delete cascade,
  module_id text not null references action_modules (id),
  primary key (action_id, module_id)
);
create index action_module_uses_module on action_module_uses (module_id);
