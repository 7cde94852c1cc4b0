//! Lists of users, all of them or those that are sought: fast with a million of them, on both databases.
//!
//! A database without statistics cannot know whether `app_metadata.plan:gold` are five users or half of them. So this asks: of the terms
//! that all have to hold, which is held by few? Those few are looked up and the rest is tested on them; if there is no such term, what is
//! sought is common, and the list is walked in its order until the page is full. Both read indexes alone until the page is known.

use std::fmt::Write as _;

use lockstep_core::model::user::User;
use lockstep_core::search::Test;

use super::counts::Counts;
use super::db::{Conn, DbError};
use super::search::{Filter, Order, Unsearchable};
use super::user_search::{Sought, Term, Way, as_kept, attribute, beginning, primary};
use super::users;
use crate::values;

/// So many users are looked up one by one; a term that more hold does not narrow the search.
const FEW: i64 = 10_000;

/// So many are looked up one by one for a count. With more, everybody is asked.
const MANY: i64 = 200_000;

/// Of so many values of a path, at most, the rows are merged.
const MERGED: i64 = 16;

/// How many terms are asked how many users hold them.
const PROBES: usize = 4;

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// The users of the page.
    pub users: Vec<User>,
    /// How many hold it in all, where it was asked or known without asking.
    pub total: Option<i64>,
}

/// Returns `limit` users from `start` on, and how many there are if `count` asks for it.
pub async fn list(
    conn: &mut Conn,
    counts: &Counts,
    sought: &Sought,
    order: Order,
    start: i64,
    limit: i64,
    count: bool,
) -> Result<Found, DbError> {
    let found = Search { counts, sought, order, few: FEW }.run(conn, start, limit, count).await?;
    counts.told(found.total.unwrap_or_default());
    Ok(found)
}

/// A search, and how many are few.
pub(super) struct Search<'a> {
    pub(super) counts: &'a Counts,
    pub(super) sought: &'a Sought,
    pub(super) order: Order,
    pub(super) few: i64,
}

/// The term that narrows the search most, as far as was asked.
struct Narrow<'a> {
    term: &'a Term,
    place: usize,
    holders: i64,
    few: bool,
    /// Whether `holders` are all of them. Otherwise there are more.
    all: bool,
}

/// The values of one path that pass a common term.
struct Values {
    path: String,
    values: Vec<String>,
    /// Which of the terms that have to hold it is.
    place: usize,
}

impl Search<'_> {
    /// Returns the page.
    pub(super) async fn run(
        &self,
        conn: &mut Conn,
        start: i64,
        limit: i64,
        count: bool,
    ) -> Result<Found, DbError> {
        let narrow = match &self.sought.terms[..] {
            // Their number is asked for anyway.
            [term] if count && term.is_exact() && term.is_counted_by_holders() => {
                let holders = self.holders(conn, term).await?;
                Some(Narrow { term, place: 0, holders, few: holders <= self.few, all: true })
            }
            _ => self.narrowest(conn).await?,
        };
        let values = match &narrow {
            Some(narrow) if !narrow.few && self.order.column == "created_at" => {
                self.values(conn, narrow).await?
            }
            _ => None,
        };
        let mut page = match values {
            Some(values) => self.merged(&values, start + limit),
            None => self.source(narrow.as_ref()),
        }
        .map_err(corrupt)?;
        let order = self.order.clause();
        page.sql = format!("{} where user_id in (select user_id from {}", users::SELECT, page.sql);
        page.push("", &format!("{order} limit ? offset ?){order}"), values![limit, start]);
        let rows = conn.fetch_all_built(page.sql, page.values).await?;
        let users = rows.iter().map(users::read).collect::<Result<Vec<_>, _>>()?;
        let on_page = users.len() as i64;
        let total = match narrow {
            // The list ended on this page.
            _ if on_page < limit && (on_page > 0 || start == 0) => Some(start + on_page),
            Some(narrow) if narrow.all && narrow.term.is_exact() && self.sought.terms.len() == 1 => {
                Some(narrow.holders)
            }
            _ if !count => None,
            narrow => Some(self.count(conn, narrow.as_ref()).await?),
        };
        Ok(Found { users, total })
    }

    /// Writes from where a page is selected.
    fn source(&self, narrow: Option<&Narrow<'_>>) -> Result<Filter, Unsearchable> {
        let by_creation = self.order.column == "created_at";
        let mut filter = Filter::all();
        match narrow {
            // One column of one row: the database finds it by itself, in the order of the index or sorting few.
            Some(Narrow { term: Term::Column(..), few: true, .. })
                if by_creation && self.sought.terms.len() == 1 =>
            {
                self.sought.condition(None, Way::Any, &mut filter)?;
            }
            Some(narrow) if narrow.few => self.among(narrow, Way::EachInOrder, &mut filter)?,
            _ => self.sought.condition(None, Way::EachInOrder, &mut filter)?,
        }
        filter.sql = format!("users{}", filter.clause());
        Ok(filter)
    }

    /// Returns the values that pass a term on metadata, if they are few: the rows of each lie in the order of the list.
    async fn values(&self, conn: &mut Conn, narrow: &Narrow<'_>) -> Result<Option<Values>, DbError> {
        let Term::Attribute(path, Some(test)) = narrow.term else { return Ok(None) };
        let (path, test) = as_kept(path, test);
        let values = match test {
            Test::Is(value) => vec![value],
            Test::Starts(_) | Test::Range(..) => {
                // They lie side by side: from each to the next one, as long as it passes.
                let least = "(select min(a.value) from user_attributes a where a.path = ? and ";
                let mut next = Filter::all();
                next.push("with recursive v (value, place) as (select ", least, values![&*path]);
                next.text_test("a.value", true, &test);
                next.push("), 0 union all select ", least, values![&*path]);
                next.push("", "a.value > v.value), place + 1 from v where place < ? and ", values![MERGED]);
                next.text_test("v.value", true, &test);
                next.sql.push_str(") select value from v where ");
                next.text_test("value", true, &test);
                let rows = conn.fetch_all_built(next.sql, next.values).await?;
                rows.iter().map(|row| row.get("value")).collect::<Result<Vec<String>, _>>()?
            }
            _ => return Ok(None),
        };
        let mergeable = (1..=MERGED).contains(&(values.len() as i64));
        Ok(mergeable.then_some(Values { path, values, place: narrow.place }))
    }

    /// Writes that a page is selected from the first rows of each value.
    fn merged(&self, Values { path, values, place }: &Values, most: i64) -> Result<Filter, Unsearchable> {
        let mut filter = Filter::all();
        let order = self.order.clause_of("a.");
        for (n, value) in values.iter().enumerate() {
            let union = if n == 0 { "(" } else { " union " };
            filter.sql.push_str(union);
            filter.push(
                "select created_at, user_id from (select a.created_at, a.user_id from user_attributes a",
                " where a.path = ? and a.value = ?",
                values![&**path, &**value],
            );
            if self.sought.terms.len() > 1 {
                filter.sql.push_str(" and (select 1 from users where users.user_id = a.user_id");
                self.sought.condition(Some(*place), Way::EachInOrder, &mut filter)?;
                filter.sql.push_str(" limit 1) is not null");
            }
            filter.push("", &format!("{order} limit ?) v"), values![most]);
        }
        filter.sql.push_str(") vs");
        Ok(filter)
    }

    /// Writes that users are among those who hold one term, and hold the others.
    fn among(&self, narrow: &Narrow<'_>, way: Way, out: &mut Filter) -> Result<(), Unsearchable> {
        out.sql.push_str("user_id in (");
        narrow.term.holders(out, None)?;
        out.sql.push(')');
        let known = (!narrow.term.is_less_than_holders()).then_some(narrow.place);
        self.sought.condition(known, way, out)
    }

    /// Returns how many hold all terms.
    async fn count(&self, conn: &mut Conn, narrow: Option<&Narrow<'_>>) -> Result<i64, DbError> {
        let terms = &self.sought.terms;
        let mut filter = Filter::all();
        if terms.is_empty() {
            return self.counts.of_everybody(conn).await;
        }
        if let Some(count) = self.count_beginning(conn, terms).await? {
            return Ok(count);
        }
        if let Some(narrow) = narrow.filter(|narrow| narrow.few) {
            self.among(narrow, Way::EachInOrder, &mut filter).map_err(corrupt)?;
        } else if terms.iter().all(Term::is_counted_by_holders) {
            return self.count_common(conn).await;
        } else if let [Term::Identity(part, test)] = &terms[..] {
            return self.count_accounts(conn, part, test.as_ref()).await;
        } else if let Some(narrow) = self.narrowest_of_many(conn).await?
            && !matches!(narrow.term, Term::Column(..))
        {
            self.among(&narrow, Way::Any, &mut filter).map_err(corrupt)?;
        } else {
            // Columns: the database takes the index of one, which often has the others too.
            self.sought.condition(None, Way::Any, &mut filter).map_err(corrupt)?;
        }
        filter.sql = format!("select count(*) as n from users{}", filter.clause());
        self.counts.of(conn, filter.sql, filter.values).await
    }

    /// Returns how many hold all terms, where indexes tell who holds each.
    async fn count_common(&self, conn: &mut Conn) -> Result<i64, DbError> {
        let mut filter = Filter::all();
        filter.sql.push_str("select count(*) as n from (");
        for (n, term) in self.sought.terms.iter().enumerate() {
            let distinct = if term.is_exact() { "" } else { "distinct " };
            let and = if n == 0 { "" } else { " intersect " };
            let _infallible = write!(filter.sql, "{and}select {distinct}user_id from (");
            term.holders(&mut filter, None).map_err(corrupt)?;
            filter.sql.push_str(") t");
        }
        filter.sql.push_str(") ts");
        self.counts.of(conn, filter.sql, filter.values).await
    }

    /// Returns how many have an account that passes: those who are one, and those who only have one linked. Each is in an index; of a condition
    /// with "or", PostgreSQL reads the whole table.
    async fn count_accounts(
        &self,
        conn: &mut Conn,
        part: &'static str,
        test: Option<&Test>,
    ) -> Result<i64, DbError> {
        let mut filter = Filter::all();
        filter.sql.push_str("select (select count(*) from users where ");
        primary(&mut filter, part, test);
        filter.sql.push_str(") + (select count(distinct a.user_id) from user_attributes a where ");
        attribute(&mut filter, &format!("identities.{part}"), test);
        filter.sql.push_str(" and not exists (select 1 from users where users.user_id = a.user_id and ");
        primary(&mut filter, part, test);
        filter.sql.push_str(")) as n");
        self.counts.of(conn, filter.sql, filter.values).await
    }

    /// Returns the term that is held by fewest, if they are few enough to look each of them up for a count.
    async fn narrowest_of_many(&self, conn: &mut Conn) -> Result<Option<Narrow<'_>>, DbError> {
        let mut best = None::<Narrow<'_>>;
        let counted =
            || self.sought.terms.iter().enumerate().filter(|(_, term)| term.is_counted_by_holders());
        if counted().all(|(_, term)| matches!(term, Term::Column(..))) {
            return Ok(best);
        }
        for (place, term) in counted() {
            let holders = self.holders(conn, term).await?;
            if holders <= MANY && best.as_ref().is_none_or(|best| holders < best.holders) {
                best = Some(Narrow { term, place, holders, few: false, all: true });
            }
        }
        Ok(best)
    }

    /// Counts those whom terms seek together, if it is a beginning and there are milestones among them.
    async fn count_beginning(&self, conn: &mut Conn, terms: &[Term]) -> Result<Option<i64>, DbError> {
        match beginning(terms) {
            Some(who) => self.counts.of_beginning(conn, &who).await,
            None => Ok(None),
        }
    }

    /// Counts those whom [`Term::holders`] selects.
    async fn holders(&self, conn: &mut Conn, term: &Term) -> Result<i64, DbError> {
        if let Some(holders) = self.count_beginning(conn, std::slice::from_ref(term)).await? {
            return Ok(holders);
        }
        let mut filter = Filter::all();
        filter.sql.push_str("select count(*) as n from (");
        term.holders(&mut filter, None).map_err(corrupt)?;
        filter.sql.push_str(") t");
        self.counts.of(conn, filter.sql, filter.values).await
    }

    /// The same, but stops counting at `most`.
    async fn holders_up_to(&self, conn: &mut Conn, term: &Term, most: i64) -> Result<i64, DbError> {
        let mut probe = Filter::all();
        probe.sql.push_str("select count(*) as n from (select user_id from (");
        term.holders(&mut probe, Some(most)).map_err(corrupt)?;
        probe.push("", ") h limit ?) few", values![most]);
        self.counts.of(conn, probe.sql, probe.values).await
    }

    async fn narrowest(&self, conn: &mut Conn) -> Result<Option<Narrow<'_>>, DbError> {
        let terms = self.sought.terms.iter().enumerate();
        let mut candidates: Vec<_> =
            terms.filter_map(|(n, term)| Some((term.dearness()?, n, term))).collect();
        candidates.sort_by_key(|(dearness, ..)| *dearness);
        let mut best = None::<Narrow<'_>>;
        for (_, place, term) in candidates.into_iter().take(PROBES) {
            let known = self.count_beginning(conn, std::slice::from_ref(term)).await?;
            let holders = match known {
                Some(holders) => holders,
                None => self.holders_up_to(conn, term, self.few + 1).await?,
            };
            if best.as_ref().is_none_or(|best| holders < best.holders) {
                let few = holders <= self.few;
                best = Some(Narrow { term, place, holders, few, all: few || known.is_some() });
            }
            // Few enough: asking further costs more than it saves.
            if holders <= 100 {
                break;
            }
        }
        Ok(best)
    }
}

fn corrupt(error: Unsearchable) -> DbError {
    DbError::Corrupt(error.to_string())
}
