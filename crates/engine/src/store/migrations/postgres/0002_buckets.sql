-- SQLite alone has something to change here.
select 1;
