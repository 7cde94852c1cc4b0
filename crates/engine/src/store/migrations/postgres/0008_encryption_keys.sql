-- The entries of `keys/encryption` that somebody made. They encrypt nothing; `wrapping` is a sealed private key.

create table encryption_keys (
  kid text primary key,
  type text not null,
  state text not null,
  wrapping bytea,
  created_at bigint not null,
  updated_at bigint not null
);
