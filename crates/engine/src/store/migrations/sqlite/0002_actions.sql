-- Actions and their modules. `secrets` are sealed; `versions` counts what was deployed or published so far.

create table actions (
  id text primary key,
  name text not null unique,
  trigger_id text not null,
  data text not null,
  secrets blob not null,
  versions integer not null,
  deployed_version text,
  created_at integer not null,
  updated_at integer not null
) strict;

create table action_versions (
  id text primary key,
  action_id text not null references actions (id) on delete cascade,
  number integer not null,
  data text not null,
  secrets blob not null,
  created_at integer not null,
  unique (action_id, number)
) strict;

create table trigger_bindings (
  id text primary key,
  trigger_id text not null,
  position integer not null,
  action_id text not null references actions (id) on delete cascade,
  display_name text not null,
  created_at integer not null,
  unique (trigger_id, position),
  unique (trigger_id, action_id)
) strict;

create table action_modules (
  id text primary key,
  name text not null unique,
  data text not null,
  secrets blob not null,
  versions integer not null,
  created_at integer not null,
  updated_at integer not null
) strict;

create table action_module_versions (
  id text primary key,
  module_id text not null references action_modules (id) on delete cascade,
  number integer not null,
  data text not null,
  secrets blob not null,
  created_at integer not null,
  unique (module_id, number)
) strict;

create table action_module_uses (
  action_id text not null references actions (id) on delete cascade,
  module_id text not null references action_modules (id),
  primary key (action_id, module_id)
) strict;
create index action_module_uses_module on action_module_uses (module_id);
