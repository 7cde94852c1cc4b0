//! The search language for users as SQL, for both databases. `user_lists.rs` asks it so that it is fast with a million of them.

use std::fmt::Write as _;

use lockstep_core::model::user_attributes::{ANY_APP_METADATA, kept, numbers_of, rank};
use lockstep_core::search::{Bound, Node, Test};

use super::db::Value;
use super::milestones::Beginning;
use super::search::{Field, Filter, Kind, Order, Unsearchable, after_all_that_begin};
use crate::values;

/// The columns that can be searched.
const FIELDS: &[Field] = &[
    Field::new("user_id", "user_id", Kind::Text),
    Field::new("email", "email_normal", Kind::Folded),
    Field::new("email.domain", "email_domain", Kind::Folded),
    Field::new("email_verified", "email_verified", Kind::Flag),
    Field::new("username", "username", Kind::Key),
    Field::new("phone_number", "phone_number", Kind::Text),
    Field::new("phone_verified", "phone_verified", Kind::Flag),
    Field::new("name", "name_normal", Kind::Folded),
    Field::new("nickname", "nickname_normal", Kind::Folded),
    Field::new("given_name", "given_name_normal", Kind::Folded),
    Field::new("family_name", "family_name_normal", Kind::Folded),
    Field::new("created_at", "created_at", Kind::Time),
    Field::new("updated_at", "updated_at", Kind::Time),
    Field::new("last_login", "last_login", Kind::Time),
    Field::new("last_password_reset", "password_changed_at", Kind::Time),
    Field::new("last_ip", "last_ip", Kind::Text),
    Field::new("logins_count", "logins_count", Kind::Int),
    Field::new("blocked", "blocked", Kind::Flag),
];

/// Columns without an index: too seldom asked for, or changed too often.
const UNINDEXED: [&str; 3] = ["updated_at", "password_changed_at", "last_ip"];

/// The columns where a term without a field is looked for; `app_metadata` is one more place.
const BARE: [&str; 5] = ["email", "name", "username", "nickname", "user_id"];

/// SQLite joins five hundred selects at most; with as many, walking the list is no worse.
const MOST_SELECTS: usize = 100;

/// Returns the order that a sort asks for, if there is one by this field.
pub fn order(field: &str) -> Option<Order> {
    let field = FIELDS.iter().find(|f| f.name == field && f.kind != Kind::Flag)?;
    let order = Order::by(field.column, "user_id");
    let always = ["user_id", "created_at", "updated_at", "logins_count"].contains(&field.column);
    Some(if always { order.always() } else { order })
}

/// What is sought, ready to be asked for.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// All of these have to hold.
    pub(super) terms: Vec<Term>,
}

/// How a condition is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Of all users: the database looks for the shortest way.
    Any,
    /// Of one user after the other, until there are enough: no index of the column itself takes the place of the order, and nobody
    /// gathers all who have an attribute to find them in there.
    EachInOrder,
}

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum Term {
    All(Vec<Term>),
    Any(Vec<Term>),
    Not(Box<Term>),
    /// A test on a column; without one, that it has a value.
    Column(Field, Option<Test>),
    /// A test on a path of the metadata.
    Attribute(String, Option<Test>),
    /// A test on the connection, provider, id or kind of one of the accounts.
    Identity(&'static str, Option<Test>),
    /// Nobody has it.
    Nobody,
}

impl Sought {
    /// Returns what a query asks for.
    pub fn new(query: &Node) -> Result<Self, Unsearchable> {
        let terms = match term(query)? {
            Term::All(terms) => terms,
            one => vec![one],
        };
        let sought = Self { terms };
        // What no SQL can be made of is told now.
        sought.condition(None, Way::Any, &mut Filter::all())?;
        Ok(sought)
    }

    /// Returns whether it is everybody.
    pub fn is_everybody(&self) -> bool {
        self.terms.is_empty()
    }

    /// Writes that all terms hold, but for one that is known to.
    pub(super) fn condition(
        &self,
        but: Option<usize>,
        way: Way,
        out: &mut Filter,
    ) -> Result<(), Unsearchable> {
        for (_, term) in self.terms.iter().enumerate().filter(|(n, _)| Some(*n) != but) {
            if !out.sql.is_empty() {
                out.sql.push_str(" and ");
            }
            term.top_condition(way, out)?;
        }
        Ok(())
    }
}

/// Returns whom these terms seek together, if it is a beginning, and flags at most.
pub(super) fn beginning(terms: &[Term]) -> Option<Beginning> {
    let is_flag = |term: &&Term| matches!(term, Term::Column(field, _) if field.kind == Kind::Flag);
    let (flags, others): (Vec<_>, Vec<_>) = terms.iter().partition(is_flag);
    let [Term::Column(field, Some(Test::Starts(start)))] = others[..] else { return None };
    let from = if field.kind == Kind::Folded { start.to_lowercase() } else { start.clone() };
    let to = after_all_that_begin(&from)?;
    flags.into_iter().try_fold(Beginning::new(field.column, from, to)?, |who, flag| match flag {
        Term::Column(field, Some(Test::Is(on))) => who.and(field.column, on == "true"),
        _ => None,
    })
}

fn term(node: &Node) -> Result<Term, Unsearchable> {
    let many = |nodes: &[Node]| nodes.iter().map(term).collect::<Result<Vec<_>, _>>();
    Ok(match node {
        Node::All(nodes) => Term::All(many(nodes)?),
        Node::Any(nodes) => Term::Any(many(nodes)?),
        Node::Not(inner) => Term::Not(Box::new(term(inner)?)),
        Node::Exists(name) => place(name, None)?,
        Node::Term(Some(name), test) => place(name, Some(test.clone()))?,
        Node::Term(None, test) => {
            let names = BARE.iter().copied().chain([ANY_APP_METADATA]);
            Term::Any(names.map(|name| place(name, Some(test.clone()))).collect::<Result<_, _>>()?)
        }
    })
}

fn place(name: &str, test: Option<Test>) -> Result<Term, Unsearchable> {
    if let Some(field) = FIELDS.iter().find(|field| field.name == name) {
        return Ok(Term::Column(*field, test));
    }
    let shown = || name.chars().take(80).collect();
    if name == ANY_APP_METADATA || name.starts_with("app_metadata.") {
        return Ok(Term::Attribute(name.to_owned(), test));
    }
    if name.starts_with("user_metadata.") {
        return match test {
            None | Some(Test::Is(_) | Test::Anything) => Ok(Term::Attribute(name.to_owned(), test)),
            Some(_) => Err(Unsearchable::Test(shown())),
        };
    }
    if name.starts_with("identities.profileData.") {
        return Ok(Term::Attribute(name.to_owned(), test));
    }
    match name {
        "user_metadata" if test.is_none() => Ok(Term::Attribute(name.to_owned(), None)),
        "identities.connection" => Ok(Term::Identity("connection", test)),
        "identities.provider" => Ok(Term::Identity("provider", test)),
        "identities.user_id" => Ok(Term::Identity("user_id", test)),
        "identities.isSocial" => Ok(Term::Identity("isSocial", test)),
        "organization_id" => Ok(Term::Nobody),
        _ => Err(Unsearchable::Field(shown())),
    }
}

impl Term {
    /// Writes the condition on a row of `users` where it is never turned into its opposite: it may come out as null, which is one test less
    /// for each of many rows.
    fn top_condition(&self, way: Way, out: &mut Filter) -> Result<(), Unsearchable> {
        match self {
            Self::Column(field, Some(test @ (Test::Is(_) | Test::Starts(_)))) if way == Way::Any => {
                out.nullable_test_of(field.column, field, test)
            }
            _ => self.condition(way, out),
        }
    }

    /// Writes the condition on a row of `users`. It never comes out as null.
    fn condition(&self, way: Way, out: &mut Filter) -> Result<(), Unsearchable> {
        match self {
            Self::All(terms) => joined(terms, " and ", way, out),
            Self::Any(terms) => joined(terms, " or ", way, out),
            Self::Not(inner) => {
                out.sql.push_str("not (");
                inner.condition(way, out)?;
                out.sql.push(')');
                Ok(())
            }
            Self::Column(field, None | Some(Test::Anything)) => {
                let _infallible = write!(out.sql, "{} is not null", field.column);
                Ok(())
            }
            Self::Column(field, Some(test))
                if way == Way::EachInOrder
                    && field.column != "created_at"
                    && !matches!(test, Test::Is(_)) =>
            {
                let nothing = if matches!(field.kind, Kind::Int | Kind::Time) { "0" } else { "''" };
                out.test_of(&format!("coalesce({}, {nothing})", field.column), field, test)
            }
            Self::Column(field, Some(test)) => out.test(field, test),
            Self::Attribute(path, test) => {
                // SQLite 3.51 turns a plain `exists` into a join, whose rows an offset then counts.
                let (begin, end) = match way {
                    Way::Any => ("not (not exists (", "))"),
                    Way::EachInOrder => ("(", " limit 1) is not null"),
                };
                out.sql.push_str(begin);
                out.sql.push_str("select 1 from user_attributes a where a.user_id = users.user_id and ");
                // The time is the user's, and before the id in the primary key.
                if matches!(test, Some(Test::Is(_))) {
                    out.sql.push_str("a.created_at = users.created_at and ");
                }
                attribute(out, path, test.as_ref());
                out.sql.push_str(end);
                Ok(())
            }
            Self::Identity(part, test) => {
                out.sql.push('(');
                primary(out, part, test.as_ref());
                out.sql.push_str(
                    " or exists (select 1 from user_attributes a where a.user_id = users.user_id and ",
                );
                attribute(out, &format!("identities.{part}"), test.as_ref());
                out.sql.push_str("))");
                Ok(())
            }
            Self::Nobody => {
                out.sql.push_str("1 = 0");
                Ok(())
            }
        }
    }

    /// Returns how dear it is to tell who holds it by indexes alone; none if they cannot tell.
    pub(super) fn dearness(&self) -> Option<u8> {
        let text = |test: &Test| match test {
            Test::Is(_) => 0,
            Test::Starts(_) | Test::Range(..) | Test::Between(..) => 1,
            Test::Ends(_) | Test::Contains(_) | Test::Anything => 2,
        };
        match self {
            Self::Nobody => Some(0),
            // Few are blocked, and an index has those alone.
            Self::Column(Field { column: "blocked", .. }, Some(Test::Is(text))) if text == "true" => Some(0),
            Self::Column(field, _) if UNINDEXED.contains(&field.column) || field.kind == Kind::Flag => None,
            Self::Column(field, Some(test)) => match (field.kind, test) {
                (Kind::Text, Test::Is(_)) => Some(0),
                (Kind::Text, _) => None,
                (_, test) => Some(text(test)),
            },
            Self::Column(field, None) => (field.kind == Kind::Key).then_some(2),
            Self::Attribute(_, test) => Some(test.as_ref().map_or(1, text)),
            Self::Identity("connection" | "user_id", Some(Test::Is(_))) => Some(0),
            Self::Identity(..) | Self::Not(_) => None,
            Self::Any(_) if self.selects() > MOST_SELECTS => None,
            Self::Any(terms) => terms.iter().try_fold(0, |most, term| Some(most.max(term.dearness()?))),
            Self::All(terms) => terms.iter().filter_map(Self::dearness).min(),
        }
    }

    /// Returns how many selects [`Self::holders`] writes, at most.
    fn selects(&self) -> usize {
        match self {
            Self::Any(terms) => terms.iter().map(Self::selects).sum(),
            Self::All(terms) => terms.iter().map(Self::selects).max().unwrap_or(1),
            Self::Identity(..) => 2,
            _ => 1,
        }
    }

    /// Writes the selects of the ids of those who hold it, or of more; of each select no more than `most`.
    pub(super) fn holders(&self, out: &mut Filter, most: Option<i64>) -> Result<(), Unsearchable> {
        match self {
            Self::Any(terms) => {
                for (n, term) in terms.iter().enumerate() {
                    if n > 0 {
                        out.sql.push_str(" union ");
                    }
                    term.holders(out, most)?;
                }
                return Ok(());
            }
            Self::All(terms) => {
                let cheapest = terms.iter().filter(|t| t.dearness().is_some()).min_by_key(|t| t.dearness());
                return cheapest.unwrap_or(&Self::Nobody).holders(out, most);
            }
            _ => {}
        }
        // A union has to see all of its parts before it gives its first row.
        out.sql.push_str("select user_id from (");
        match self {
            Self::Attribute(path, test) => {
                out.sql.push_str("select a.user_id from user_attributes a where ");
                attribute(out, path, test.as_ref());
            }
            Self::Identity(part, test) => {
                out.sql.push_str("select user_id from users where ");
                primary(out, part, test.as_ref());
                if let Some(most) = most {
                    out.push("", " limit ?", values![most]);
                }
                out.sql.push_str(
                    ") h union select user_id from (select a.user_id from user_attributes a where ",
                );
                attribute(out, &format!("identities.{part}"), test.as_ref());
            }
            term => {
                out.sql.push_str("select user_id from users where ");
                term.top_condition(Way::Any, out)?;
            }
        }
        if let Some(most) = most {
            out.push("", " limit ?", values![most]);
        }
        out.sql.push_str(") h");
        Ok(())
    }

    /// Returns whether those whom [`Self::holders`] selects may be more than those who hold it.
    pub(super) fn is_less_than_holders(&self) -> bool {
        match self {
            Self::All(_) => true,
            Self::Any(terms) => terms.iter().any(Self::is_less_than_holders),
            _ => false,
        }
    }

    /// Returns whether those who hold it are counted soonest by reading what [`Self::holders`] selects to its end.
    pub(super) fn is_counted_by_holders(&self) -> bool {
        match self {
            Self::Any(terms) => self.dearness().is_some() && terms.iter().all(Self::is_counted_by_holders),
            Self::Column(..) | Self::Attribute(..) => self.dearness().is_some_and(|dear| dear < 2),
            _ => false,
        }
    }

    /// Returns whether [`Self::holders`] selects those who hold it, each once.
    pub(super) fn is_exact(&self) -> bool {
        // Of one user, several values may pass.
        let repeats = matches!(self, Self::Attribute(_, test) if !matches!(test, Some(Test::Is(_))));
        !repeats && !self.is_less_than_holders()
    }
}

fn joined(terms: &[Term], word: &str, way: Way, out: &mut Filter) -> Result<(), Unsearchable> {
    for (n, term) in terms.iter().enumerate() {
        out.sql.push_str(if n == 0 { "(" } else { word });
        term.condition(way, out)?;
    }
    out.sql.push(')');
    Ok(())
}

/// Writes the condition on a row of `user_attributes a`.
pub(super) fn attribute(out: &mut Filter, path: &str, test: Option<&Test>) {
    match test {
        // Of an object, what is in it.
        None | Some(Test::Anything) => {
            let (from, to) = (format!("{path}."), format!("{path}/"));
            out.push("", "(a.path = ? or (a.path >= ? and a.path < ?))", values![path, from, to]);
        }
        Some(test) => {
            let (place, test) = as_kept(path, test);
            out.push("", "a.path = ? and ", values![place]);
            out.text_test("a.value", true, &test);
        }
    }
}

/// Returns the path where values are kept that may pass a test, and the test as they are kept there.
pub(super) fn as_kept(path: &str, test: &Test) -> (String, Test) {
    let numbers = |bound: &Bound| match bound {
        Bound::Open => Some(Bound::Open),
        Bound::Inclusive(text) => text.parse().ok().map(|n| Bound::Inclusive(rank(n))),
        Bound::Exclusive(text) => text.parse().ok().map(|n| Bound::Exclusive(rank(n))),
    };
    let test = match test {
        // Numbers go by their size, other values by their letters.
        Test::Range(from, to) => match numbers(from).zip(numbers(to)) {
            Some((from, to)) => return (numbers_of(path), Test::Range(from, to)),
            None => test.clone(),
        },
        Test::Is(text) => Test::Is(kept(text)),
        _ => test.clone(),
    };
    (path.to_owned(), test)
}

/// Writes the condition that the account which is the user itself passes; the columns have it.
pub(super) fn primary(out: &mut Filter, part: &str, test: Option<&Test>) {
    let Some(test) = test else {
        out.sql.push_str("1 = 1");
        return;
    };
    match (part, test) {
        ("connection", test) => out.text_test("connection", false, test),
        // Ids are provider|id: what is equal is found by its id, the rest is cut out of it.
        ("user_id", Test::Is(text)) => {
            let ids =
                ["auth0", "email", "sms"].map(|provider| Value::Text(Some(format!("{provider}|{text}"))));
            out.push("", "user_id in (?, ?, ?)", ids.into());
        }
        ("user_id", test) => {
            let id = "case when substr(user_id, 1, 4) = 'sms|' then substr(user_id, 5) else substr(user_id, 7) end";
            out.text_test(id, false, test);
        }
        ("provider", test) => {
            let provider =
                "case substr(user_id, 1, 4) when 'auth' then 'auth0' when 'emai' then 'email' else 'sms' end";
            out.text_test(provider, false, test);
        }
        _ => out.text_test("'false'", false, test),
    }
}
