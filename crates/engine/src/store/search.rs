//! Lists that are put together at run time: filters, the search language, order and paging, as SQL that both databases know.
//!
//! Column names come from our own constants, never from a caller; what a caller gave is always a value.

use lockstep_core::search::{Bound, Node, Test};
use lockstep_core::time::{Span, Timestamp};

use super::db::{Conn, DbError, Row, Value};
use crate::values;

/// A field of the search language.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in a query.
    pub name: &'static str,
    /// The column.
    pub column: &'static str,
    /// How it compares.
    pub kind: Kind,
}

/// How a column compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Letter by letter.
    Text,
    /// Letter by letter, in a column that sorts byte by byte on both databases, so that an index tells what begins with something.
    Key,
    /// Without regard to case: the same, in a column that has everything in lower case.
    Folded,
    /// 0 or 1.
    Flag,
    /// A whole number.
    Int,
    /// Milliseconds; queries have dates.
    Time,
}

impl Field {
    /// Returns a field.
    pub const fn new(name: &'static str, column: &'static str, kind: Kind) -> Self {
        Self { name, column, kind }
    }
}

/// What a query asks for that these rows cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsearchable {
    /// No such field, or none that can be searched yet.
    #[error("searching by {0:?} is not supported")]
    Field(String),
    /// The test does not go with the field.
    #[error("this test on {0:?} is not supported")]
    Test(String),
    /// The value is not of the field's type.
    #[error("{1:?} is no value of {0:?}")]
    Value(String, String),
}

/// A `where` clause under construction.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Filter {
    /// Returns the filter that all rows pass.
    pub fn all() -> Self {
        Self::default()
    }

    /// Adds a condition; each `?` stands for the next value.
    #[must_use]
    pub fn and(mut self, condition: &'static str, values: Vec<Value>) -> Self {
        self.push(if self.sql.is_empty() { "" } else { " and " }, condition, values);
        self
    }

    /// Adds that a column has one of these texts. None at all is never true.
    #[must_use]
    pub fn and_in(mut self, column: &'static str, texts: Vec<String>) -> Self {
        let marks = vec!["?"; texts.len()].join(", ");
        let condition = if texts.is_empty() { "1 = 0".to_owned() } else { format!("{column} in ({marks})") };
        let values = texts.into_iter().map(|text| Value::Text(Some(text))).collect();
        self.push(if self.sql.is_empty() { "" } else { " and " }, &condition, values);
        self
    }

    /// Adds a query of the search language. `bare` names the fields of terms that name none.
    pub fn and_search(mut self, node: &Node, fields: &[Field], bare: &[&str]) -> Result<Self, Unsearchable> {
        self.sql.push_str(if self.sql.is_empty() { "(" } else { " and (" });
        self.node(node, fields, bare)?;
        self.sql.push(')');
        Ok(self)
    }

    pub(super) fn push(&mut self, before: &str, condition: &str, values: Vec<Value>) {
        self.sql.push_str(before);
        let mut values = values.into_iter();
        for c in condition.chars() {
            match c {
                '?' => {
                    self.values.extend(values.next());
                    self.sql.push_str(&format!("${}", self.values.len()));
                }
                c => self.sql.push(c),
            }
        }
    }

    fn node(&mut self, node: &Node, fields: &[Field], bare: &[&str]) -> Result<(), Unsearchable> {
        match node {
            Node::All(nodes) => self.joined(nodes, " and ", fields, bare),
            Node::Any(nodes) => self.joined(nodes, " or ", fields, bare),
            Node::Not(inner) => {
                self.sql.push_str("not (");
                self.node(inner, fields, bare)?;
                self.sql.push(')');
                Ok(())
            }
            Node::Exists(name) => {
                let field = find(name, fields)?;
                self.sql.push_str(&format!("{} is not null", field.column));
                Ok(())
            }
            Node::Term(Some(name), test) => self.test(find(name, fields)?, test),
            Node::Term(None, test) => {
                let terms: Vec<Node> =
                    bare.iter().map(|name| Node::Term(Some((*name).to_owned()), test.clone())).collect();
                self.joined(&terms, " or ", fields, bare)
            }
        }
    }

    fn joined(
        &mut self,
        nodes: &[Node],
        word: &'static str,
        fields: &[Field],
        bare: &[&str],
    ) -> Result<(), Unsearchable> {
        for (n, node) in nodes.iter().enumerate() {
            self.sql.push_str(if n == 0 { "(" } else { word });
            self.node(node, fields, bare)?;
        }
        self.sql.push(')');
        Ok(())
    }

    pub(super) fn test(&mut self, field: &Field, test: &Test) -> Result<(), Unsearchable> {
        self.test_of(field.column, field, test)
    }

    /// Adds a test on what stands for the column.
    pub(super) fn test_of(&mut self, column: &str, field: &Field, test: &Test) -> Result<(), Unsearchable> {
        // `not` has to turn "no value" into true: no test may come out as null.
        self.sql.push_str(&format!("({} is not null and ", field.column));
        self.nullable_test_of(column, field, test)?;
        self.sql.push(')');
        Ok(())
    }

    /// The same, but it may come out as null where there is no value.
    pub(super) fn nullable_test_of(
        &mut self,
        column: &str,
        field: &Field,
        test: &Test,
    ) -> Result<(), Unsearchable> {
        match field.kind {
            Kind::Text | Kind::Key => self.text_test(column, field.kind == Kind::Key, test),
            Kind::Folded => self.text_test(column, true, &folded(test)),
            Kind::Flag | Kind::Int | Kind::Time => self.number_test(column, field, test)?,
        }
        Ok(())
    }

    /// Adds a test on a column of text; `bytes` says that it sorts byte by byte.
    pub(super) fn text_test(&mut self, column: &str, bytes: bool, test: &Test) {
        let text = |text: &str| Value::Text(Some(text.to_owned()));
        match test {
            Test::Is(is) => self.push("", &format!("{column} = ?"), vec![text(is)]),
            Test::Starts(start) => match after_all_that_begin(start) {
                Some(end) if bytes => {
                    self.push("", &format!("{column} >= ? and {column} < ?"), vec![text(start), text(&end)]);
                }
                _ => self.push(
                    "",
                    &format!("substr({column}, 1, length(?)) = ?"),
                    vec![text(start), text(start)],
                ),
            },
            Test::Ends(end) => {
                let condition = format!(
                    "length({column}) >= length(?) and substr({column}, length({column}) - length(?) + 1) = ?"
                );
                self.push("", &condition, vec![text(end); 3]);
            }
            Test::Between(start, end) => {
                self.text_test(column, bytes, &Test::Starts(start.clone()));
                self.sql.push_str(" and ");
                self.text_test(column, bytes, &Test::Ends(end.clone()));
                let condition = format!("length({column}) >= length(?) + length(?)");
                self.push(" and ", &condition, vec![text(start), text(end)]);
            }
            Test::Contains(part) => {
                let condition = format!("instr({column}, ?) > 0");
                self.push("", &condition, vec![text(part)]);
            }
            Test::Anything => self.sql.push_str("1 = 1"),
            Test::Range(from, to) => {
                let value = |t: &String| Ok::<_, std::convert::Infallible>(text(t));
                // A day as the end of a range of times means all of it, also where times are texts.
                let last = |t: &String| {
                    Ok::<_, std::convert::Infallible>(text(&if is_date(t) {
                        format!("{t}T~")
                    } else {
                        t.clone()
                    }))
                };
                let Ok(()) = self.range(column, from, to, value, last);
            }
        }
    }

    fn number_test(&mut self, column: &str, field: &Field, test: &Test) -> Result<(), Unsearchable> {
        let bad = |text: &str| Unsearchable::Value(field.name.to_owned(), text.chars().take(80).collect());
        let number = |text: &String| match field.kind {
            Kind::Flag => match text.as_str() {
                "true" => Ok(1),
                "false" => Ok(0),
                _ => Err(bad(text)),
            },
            Kind::Time => Timestamp::parse_iso(text).map(Timestamp::as_millis).ok_or_else(|| bad(text)),
            _ => text.parse().map_err(|_| bad(text)),
        };
        match test {
            // A date without a time means the whole day.
            Test::Is(text) if field.kind == Kind::Time && is_date(text) => {
                let start = number(text)?;
                let end = start + Span::days(1).as_millis();
                self.push("", &format!("{column} >= ? and {column} < ?"), values![start, end]);
                Ok(())
            }
            // A partial index is used where the statement itself has its value.
            Test::Is(text) if field.kind == Kind::Flag => {
                self.sql.push_str(&format!("{column} = {}", number(text)?));
                Ok(())
            }
            Test::Is(text) => {
                self.push("", &format!("{column} = ?"), values![number(text)?]);
                Ok(())
            }
            Test::Anything => {
                self.sql.push_str("1 = 1");
                Ok(())
            }
            Test::Range(from, to) => {
                let value = |text: &String| Ok(Value::Int(Some(number(text)?)));
                let last = |text: &String| {
                    let whole_day = field.kind == Kind::Time && is_date(text);
                    let extra = if whole_day { Span::days(1).as_millis() - 1 } else { 0 };
                    Ok(Value::Int(Some(number(text)? + extra)))
                };
                self.range(column, from, to, value, last)
            }
            _ => Err(Unsearchable::Test(field.name.to_owned())),
        }
    }

    fn range<E>(
        &mut self,
        column: &str,
        from: &Bound,
        to: &Bound,
        value: impl Fn(&String) -> Result<Value, E>,
        last: impl Fn(&String) -> Result<Value, E>,
    ) -> Result<(), E> {
        match from {
            Bound::Open => self.sql.push_str("1 = 1"),
            Bound::Inclusive(text) => self.push("", &format!("{column} >= ?"), vec![value(text)?]),
            Bound::Exclusive(text) => self.push("", &format!("{column} > ?"), vec![value(text)?]),
        }
        match to {
            Bound::Open => {}
            Bound::Inclusive(text) => self.push(" and ", &format!("{column} <= ?"), vec![last(text)?]),
            Bound::Exclusive(text) => self.push(" and ", &format!("{column} < ?"), vec![value(text)?]),
        }
        Ok(())
    }
}

fn find<'f>(name: &str, fields: &'f [Field]) -> Result<&'f Field, Unsearchable> {
    let shown = || name.chars().take(80).collect();
    fields.iter().find(|field| field.name == name).ok_or_else(|| Unsearchable::Field(shown()))
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// Returns the test on the lower-case spelling.
fn folded(test: &Test) -> Test {
    let low = |text: &String| text.to_lowercase();
    let bound = |bound: &Bound| match bound {
        Bound::Open => Bound::Open,
        Bound::Inclusive(text) => Bound::Inclusive(low(text)),
        Bound::Exclusive(text) => Bound::Exclusive(low(text)),
    };
    match test {
        Test::Is(text) => Test::Is(low(text)),
        Test::Starts(text) => Test::Starts(low(text)),
        Test::Ends(text) => Test::Ends(low(text)),
        Test::Contains(text) => Test::Contains(low(text)),
        Test::Between(start, end) => Test::Between(low(start), low(end)),
        Test::Anything => Test::Anything,
        Test::Range(from, to) => Test::Range(bound(from), bound(to)),
    }
}

/// Returns the first text, byte by byte, that comes after all those that begin with this one.
pub(super) fn after_all_that_begin(start: &str) -> Option<String> {
    let mut chars: Vec<char> = start.chars().collect();
    while let Some(last) = chars.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// The order of a list: a column, then the id, so that equal values keep their place.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The column.
    pub column: &'static str,
    /// The id column.
    pub id: &'static str,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Whether the column always has a value. Otherwise those without come last.
    pub always: bool,
}

impl Order {
    /// Returns the ascending order by a column.
    pub const fn by(column: &'static str, id: &'static str) -> Self {
        Self { column, id, descending: false, always: false }
    }

    /// Returns the same order by a column that always has a value: an index gives it as it is.
    #[must_use]
    pub const fn always(self) -> Self {
        Self { always: true, ..self }
    }

    /// Returns it in SQL.
    pub(super) fn clause(&self) -> String {
        self.clause_of("")
    }

    /// The same for the columns of one of several tables: `a.`.
    pub(super) fn clause_of(&self, table: &str) -> String {
        let direction = if self.descending { "desc" } else { "asc" };
        let nulls = if self.always { "" } else { " nulls last" };
        format!(" order by {table}{} {direction}{nulls}, {table}{} {direction}", self.column, self.id)
    }

    /// Returns the same order the other way round.
    #[must_use]
    pub const fn descending(self, descending: bool) -> Self {
        Self { descending, ..self }
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub enum Slice {
    /// By number.
    Offset {
        /// How many rows to leave out.
        start: i64,
        /// How many to return.
        limit: i64,
    },
    /// After a row, by its time and id. Ascending orders only.
    After {
        /// The row; none: from the beginning.
        key: Option<(i64, String)>,
        /// How many to return.
        take: i64,
    },
}

/// Returns the rows of a list. `select` is everything in front of `where`.
pub(super) async fn rows(
    conn: &mut Conn,
    select: &'static str,
    filter: &Filter,
    order: Order,
    slice: &Slice,
) -> Result<Vec<Row>, DbError> {
    let mut filter = filter.clone();
    let (start, limit) = match slice {
        Slice::Offset { start, limit } => (*start, *limit),
        Slice::After { key, take } => {
            if let Some((at, id)) = key {
                let condition = format!("({}, {}) > (?, ?)", order.column, order.id);
                let before = if filter.sql.is_empty() { "" } else { " and " };
                filter.push(before, &condition, values![*at, id]);
            }
            (0, *take)
        }
    };
    let mut sql = format!("{select}{}", filter.clause());
    let tail = format!("{} limit ? offset ?", order.clause());
    let mut end = Filter { sql: String::new(), values: filter.values };
    end.push("", &tail, values![limit, start]);
    sql.push_str(&end.sql);
    conn.fetch_all_built(sql, end.values).await
}

/// Returns how many rows pass a filter. `table` is a table, or tables and their join.
pub(super) async fn count(conn: &mut Conn, table: &'static str, filter: &Filter) -> Result<i64, DbError> {
    let sql = format!("select count(*) as n from {table}{}", filter.clause());
    let rows = conn.fetch_all_built(sql, filter.values.clone()).await?;
    rows.first().map_or(Ok(0), |row| row.get("n"))
}

impl Filter {
    pub(super) fn clause(&self) -> String {
        if self.sql.is_empty() { String::new() } else { format!(" where {}", self.sql) }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_core::search::parse;

    use super::*;
    use crate::store::testing;

    const FIELDS: &[Field] = &[
        Field::new("name", "name", Kind::Folded),
        Field::new("value", "value", Kind::Text),
        Field::new("n", "n", Kind::Int),
        Field::new("on", "flag", Kind::Flag),
        Field::new("at", "at", Kind::Time),
    ];
    const TABLE: &str = "(select 'ann' as name, 'a/b' as value, 1 as n, 1 as flag, 1768469412345 as at
 union all select 'ben', null, 2, 0, 1768521600000 union all select 'bert', 'x''y', 3, 0, 0) t";
    const SELECT: &str =
        "select name from (select 'ann' as name, 'a/b' as value, 1 as n, 1 as flag, 1768469412345 as at
 union all select 'ben', null, 2, 0, 1768521600000 union all select 'bert', 'x''y', 3, 0, 0) t";

    async fn names(conn: &mut Conn, q: &str) -> Vec<String> {
        let filter =
            Filter::all().and_search(&parse(q).unwrap().unwrap(), FIELDS, &["name", "value"]).unwrap();
        let all = Slice::Offset { start: 0, limit: 10 };
        let rows = rows(conn, SELECT, &filter, Order::by("n", "name"), &all).await.unwrap();
        assert_eq!(count(conn, TABLE, &filter).await.unwrap(), rows.len() as i64);
        rows.iter().map(|row| row.get("name").unwrap()).collect()
    }

    #[tokio::test]
    async fn both_databases_answer_every_test_alike() {
        for db in testing::databases().await {
            let conn = &mut db.read().await.unwrap();
            assert_eq!(names(conn, "name:ANN").await, ["ann"]);
            assert_eq!(names(conn, "name:be*").await, ["ben", "bert"]);
            assert_eq!(names(conn, "name:*ert").await, ["bert"]);
            assert_eq!(names(conn, "name:*ANN*").await, ["ann"]);
            assert_eq!(names(conn, "name:B*T").await, ["bert"]);
            assert_eq!(names(conn, "name:be*bert").await, [] as [&str; 0], "the ends do not overlap");
            assert_eq!(names(conn, "name:[B TO bern]").await, ["ben"]);
            assert_eq!(names(conn, "value:A/B").await, [] as [&str; 0]);
            assert_eq!(names(conn, "\"x'y\" OR ann").await, ["ann", "bert"]);
            assert_eq!(names(conn, "NOT value:a/b").await, ["ben", "bert"]);
            assert_eq!(names(conn, "_exists_:value AND n:[2 TO *]").await, ["bert"]);
            assert_eq!(names(conn, "on:true").await, ["ann"]);
            assert_eq!(names(conn, "at:2026-01-15").await, ["ann"]);
            assert_eq!(names(conn, "at:[2026-01-15 TO 2026-01-16]").await, ["ann", "ben"]);
            assert_eq!(names(conn, "at:{2026-01-15 TO 2026-01-16}").await, ["ann"]);
            assert_eq!(names(conn, "name:(ann OR ben) AND -n:2").await, ["ann"]);
        }
    }

    #[tokio::test]
    async fn a_checkpoint_goes_on_after_its_row() {
        for db in testing::databases().await {
            let conn = &mut db.read().await.unwrap();
            let after = Slice::After { key: Some((1, "ann".to_owned())), take: 1 };
            let found = rows(conn, SELECT, &Filter::all(), Order::by("n", "name"), &after).await.unwrap();
            assert_eq!(found.iter().map(|r| r.get::<String>("name").unwrap()).collect::<Vec<_>>(), ["ben"]);
        }
    }

    #[test]
    fn what_begins_with_something_ends_before_the_next_text() {
        let end = |text: &str| after_all_that_begin(text);
        assert_eq!(end("an").as_deref(), Some("ao"));
        assert_eq!(end("z\u{10ffff}").as_deref(), Some("{"));
        assert_eq!(end("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(end("\u{10ffff}"), None);
        assert!("an\u{10ffff}" < "ao" && end("").is_none());
    }

    #[test]
    fn what_cannot_be_searched_is_named() {
        let fails =
            |q: &str| Filter::all().and_search(&parse(q).unwrap().unwrap(), FIELDS, &["name"]).unwrap_err();
        assert_eq!(fails("user_metadata.x:1"), Unsearchable::Field("user_metadata.x".to_owned()));
        assert_eq!(fails("on:maybe"), Unsearchable::Value("on".to_owned(), "maybe".to_owned()));
        assert_eq!(fails("n:1*"), Unsearchable::Test("n".to_owned()));
    }
}
