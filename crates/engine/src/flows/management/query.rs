//! Query strings: typed values, paging, and the choice of fields (contract/management-api.md 1.6 and 1.7).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::search::{self, Node};
use lockstep_core::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

use crate::store::search::Slice;

/// The parameters of a query string, in order. Empty values count as absent, unknown names are nobody's business.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Returns the parameters of a raw query string.
    pub fn parse(raw: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
        Self(
            pairs
                .filter(|(_, value)| !value.is_empty())
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    /// Returns a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns all values of a parameter that may be repeated.
    pub fn texts<'q>(&'q self, name: &str) -> impl Iterator<Item = &'q str> {
        let name = name.to_owned();
        self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Returns a boolean parameter.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ManagementError> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid("Expected type boolean but found type string", name)),
        }
    }

    /// Returns a whole number between `min` and `max`.
    pub fn int(&self, name: &str, min: i64, max: i64) -> Result<Option<i64>, ManagementError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let Ok(value) = text.parse::<i64>() else {
            return Err(invalid("Expected type integer but found type string", name));
        };
        if value < min {
            return Err(invalid(&format!("Value {value} is less than minimum {min}"), name));
        }
        if value > max {
            return Err(invalid(&format!("Value {value} is greater than maximum {max}"), name));
        }
        Ok(Some(value))
    }

    /// Returns which shape of list is asked for, on an endpoint with or without checkpoints.
    pub fn paging(&self, checkpoints: bool, now: Timestamp) -> Result<Paging, ManagementError> {
        if checkpoints && (self.text("from").is_some() || self.text("take").is_some()) {
            let take = self.int("take", 1, 100)?.unwrap_or(50);
            return Ok(Paging::Checkpoint {
                after: self.text("from").map(|f| Cursor::open(f, now)).transpose()?,
                take,
            });
        }
        let (page, per_page) = (self.int("page", 0, i64::from(u32::MAX))?, self.int("per_page", 1, 100)?);
        let per_page = per_page.unwrap_or(50);
        let start = page.unwrap_or(0) * per_page;
        Ok(Paging::Offset { start, limit: per_page, totals: self.flag("include_totals")?.unwrap_or(false) })
    }

    /// Returns the part of a list that only knows checkpoints.
    pub fn checkpoints(&self, now: Timestamp) -> Result<Paging, ManagementError> {
        match self.paging(true, now)? {
            Paging::Offset { .. } => Ok(Paging::Checkpoint { after: None, take: 50 }),
            checkpoint => Ok(checkpoint),
        }
    }

    /// Returns the part of a list of the actions family, whose envelope is its own.
    pub fn numbered(&self, per_page: i64) -> Result<Numbered, ManagementError> {
        let page = self.int("page", 0, i64::from(u32::MAX))?.unwrap_or(0);
        Ok(Numbered { page, per_page: self.int("per_page", 1, 100)?.unwrap_or(per_page) })
    }

    /// Returns which properties of each object are asked for.
    pub fn fields(&self) -> Result<Fields, ManagementError> {
        let include = self.flag("include_fields")?.unwrap_or(true);
        let names = self.text("fields").map(|f| f.split(',').map(|n| n.trim().to_owned()).collect());
        Ok(Fields { names, include, always: &[] })
    }

    /// Returns the parsed `q`, or what stands under another name.
    pub fn search(&self, name: &str) -> Result<Option<Node>, ManagementError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        search::parse(text).map_err(|e| not_searchable(&e.to_string()))
    }
}

/// Returns the error of a `q` that does not parse, or asks for what is not supported.
pub fn not_searchable(why: &str) -> ManagementError {
    ManagementError::new(
        ManagementCode::InvalidQueryString,
        format!("Query validation error: '{why}' on property q."),
    )
}

/// Returns the error of a query parameter.
pub fn invalid(rule: &str, name: &str) -> ManagementError {
    let message = format!("Query validation error: '{rule}' on property {name}.");
    ManagementError::new(ManagementCode::InvalidQueryString, message)
}

/// The shape of list that a query asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Paging {
    /// By number: a plain array, or an envelope with the total.
    Offset {
        /// How many rows to leave out.
        start: i64,
        /// How many to return.
        limit: i64,
        /// Whether to wrap and count them.
        totals: bool,
    },
    /// By place: `from` and `take`.
    Checkpoint {
        /// The row after which to go on.
        after: Option<Cursor>,
        /// How many to return.
        take: i64,
    },
}

impl Paging {
    /// Returns the part of the list to read. For a checkpoint it is one more than asked for, which tells whether more follow.
    pub fn slice(&self) -> Slice {
        match self {
            Self::Offset { start, limit, .. } => Slice::Offset { start: *start, limit: *limit },
            Self::Checkpoint { after, take } => Slice::After {
                key: after.as_ref().map(|cursor| (cursor.at, cursor.id.clone())),
                take: *take + 1,
            },
        }
    }

    /// Takes the row too many off again, and returns where the next page begins if there was one.
    pub fn next<T>(&self, found: &mut Vec<T>, key: impl Fn(&T) -> (Timestamp, String)) -> Option<Cursor> {
        let Self::Checkpoint { take, .. } = self else { return None };
        let take = usize::try_from(*take).unwrap_or(usize::MAX);
        if found.len() <= take {
            return None;
        }
        found.truncate(take);
        let (at, id) = key(found.last()?);
        Some(Cursor { at: at.as_millis(), id })
    }
}

/// A place in a list: the sort key of the last row that was returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The time column of the row.
    pub at: i64,
    /// Its id.
    pub id: String,
}

/// How long a `next` may be kept.
const CURSOR_LIFE: Span = Span::hours(24);

impl Cursor {
    fn seal(&self, now: Timestamp) -> String {
        URL_SAFE_NO_PAD.encode(json!([now.as_millis(), self.at, self.id]).to_string())
    }

    fn open(text: &str, now: Timestamp) -> Result<Self, ManagementError> {
        let parts = URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|b| serde_json::from_slice::<(i64, i64, String)>(&b).ok());
        match parts {
            Some((made, at, id)) if now.since(Timestamp::from_millis(made)) <= CURSOR_LIFE => {
                Ok(Self { at, id })
            }
            _ => Err(invalid("The checkpoint is unknown or has expired", "from")),
        }
    }
}

/// A page of a list, before it takes the shape that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The objects.
    pub items: Vec<Value>,
    /// How many there are in all; counted only for an envelope.
    pub total: i64,
    /// The place of the last one, if more follow.
    pub next: Option<Cursor>,
}

impl Page {
    /// Cuts a page out of a whole, short list whose order never changes in between.
    pub fn cut(all: Vec<Value>, paging: &Paging) -> Self {
        let total = all.len() as i64;
        let (start, limit) = match paging {
            Paging::Offset { start, limit, .. } => (*start, *limit),
            Paging::Checkpoint { after, take } => (after.as_ref().map_or(0, |cursor| cursor.at), *take),
        };
        let skip = usize::try_from(start).unwrap_or(usize::MAX);
        let items: Vec<Value> =
            all.into_iter().skip(skip).take(usize::try_from(limit).unwrap_or(50)).collect();
        let end = start + items.len() as i64;
        let next = (matches!(paging, Paging::Checkpoint { .. }) && end < total)
            .then(|| Cursor { at: end, id: String::new() });
        Self { items, total, next }
    }

    /// Returns the answer in the shape that was asked for.
    pub fn answer(self, key: &str, paging: &Paging, now: Timestamp) -> Value {
        let items = Value::Array(self.items);
        match paging {
            Paging::Offset { totals: false, .. } => items,
            Paging::Offset { start, limit, .. } => {
                json!({key: items, "start": start, "limit": limit, "total": self.total})
            }
            Paging::Checkpoint { .. } => {
                let mut answer = Map::new();
                answer.insert(key.to_owned(), items);
                // An empty text would make tools loop.
                if let Some(next) = self.next {
                    answer.insert("next".to_owned(), next.seal(now).into());
                }
                Value::Object(answer)
            }
        }
    }
}

/// A page of the actions family (contract/management-api.md 1.6): always in an envelope, with the page's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    page: i64,
    per_page: i64,
}

impl Numbered {
    /// Returns the part of the list to read.
    pub fn slice(&self) -> Slice {
        Slice::Offset { start: self.page * self.per_page, limit: self.per_page }
    }

    /// Cuts the page out of a whole, short list.
    pub fn cut<'l, T>(&self, all: &'l [T]) -> &'l [T] {
        let start = usize::try_from(self.page * self.per_page).unwrap_or(usize::MAX).min(all.len());
        let end = start.saturating_add(usize::try_from(self.per_page).unwrap_or(0)).min(all.len());
        &all[start..end]
    }

    /// Returns the answer, zeros left out. A page with nothing on it has no total: the Go SDK would ask for the next one for ever.
    pub fn answer(&self, key: &str, items: Vec<Value>, total: i64) -> Value {
        let mut answer = Map::new();
        let total = if items.is_empty() { 0 } else { total };
        for (name, number) in [("total", total), ("page", self.page), ("per_page", self.per_page)] {
            if number != 0 {
                answer.insert(name.to_owned(), number.into());
            }
        }
        answer.insert(key.to_owned(), items.into());
        Value::Object(answer)
    }

    /// Returns the answer with zeros, as modules have it. A page with nothing on it has the total 0 all the same.
    pub fn with_zeros(&self, key: &str, items: Vec<Value>, total: i64) -> Value {
        let total = if items.is_empty() { 0 } else { total };
        json!({key: items, "total": total, "page": self.page, "per_page": self.per_page})
    }
}

/// Which top-level properties an answer keeps.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    names: Option<Vec<String>>,
    include: bool,
    always: &'static [&'static str],
}

impl Fields {
    /// Keeps these too, whatever is asked for; they can still be excluded.
    #[must_use]
    pub fn always(self, always: &'static [&'static str]) -> Self {
        Self { always, ..self }
    }

    /// Drops what was not asked for.
    pub fn keep(&self, mut object: Value) -> Value {
        if let (Some(names), Value::Object(map)) = (&self.names, &mut object) {
            map.retain(|key, _| {
                names.contains(key) == self.include || (self.include && self.always.contains(&key.as_str()))
            });
        }
        object
    }

    /// Drops what was not asked for from every object of a page.
    pub fn keep_page(&self, mut page: Page) -> Page {
        page.items = page.items.into_iter().map(|item| self.keep(item)).collect();
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    #[test]
    fn the_query_decides_the_shape() {
        let shape = |raw: &str| {
            let paging = Query::parse(Some(raw)).paging(true, NOW).unwrap();
            Page::cut((0..3).map(|n| json!({"n": n})).collect(), &paging).answer("rows", &paging, NOW)
        };
        assert_eq!(shape("per_page=2&page=1"), json!([{"n": 2}]));
        assert_eq!(
            shape("include_totals=true&per_page=2&page=7"),
            json!({"rows": [], "start": 14, "limit": 2, "total": 3})
        );
        let first = shape("take=2&include_totals=true");
        let next = first["next"].as_str().unwrap();
        assert_eq!(shape(&format!("take=2&from={next}")), json!({"rows": [{"n": 2}]}));
    }

    #[test]
    fn unreadable_numbers_and_flags_are_named() {
        for raw in ["per_page=0", "per_page=101", "per_page=-1", "per_page=x"] {
            let error = Query::parse(Some(raw)).paging(false, NOW).unwrap_err();
            assert_eq!(error.code, ManagementCode::InvalidQueryString);
            assert!(error.message.contains("per_page"), "{raw}");
        }
        assert!(Query::parse(Some("include_totals=yes")).paging(false, NOW).is_err());
        assert!(Query::parse(Some("per_page=&unknown=x")).paging(false, NOW).is_ok());
        assert!(Query::parse(Some("from=nonsense")).paging(true, NOW).is_err());
    }

    #[test]
    fn an_empty_page_of_the_actions_family_has_no_total() {
        let page = Query::parse(Some("page=1&per_page=2")).numbered(50).unwrap();
        assert_eq!(page.cut(&[1, 2, 3]), [3]);
        assert_eq!(
            page.answer("x", vec![json!(3)], 3),
            json!({"x": [3], "page": 1, "per_page": 2, "total": 3})
        );
        assert_eq!(page.answer("x", vec![], 2), json!({"x": [], "page": 1, "per_page": 2}));
        assert_eq!(page.with_zeros("x", vec![], 2), json!({"x": [], "page": 1, "per_page": 2, "total": 0}));
        let far = Query::parse(Some("page=4294967295&per_page=100")).numbered(50).unwrap();
        assert!(far.cut(&[1, 2, 3]).is_empty());
        let first = Query::parse(None).numbered(50).unwrap();
        assert_eq!(first.answer("x", vec![], 0), json!({"x": [], "per_page": 50}));
    }

    #[test]
    fn a_checkpoint_ends_after_a_day() {
        let text = Cursor { at: 5, id: "x".to_owned() }.seal(NOW);
        assert!(Cursor::open(&text, NOW + Span::hours(24)).is_ok());
        assert!(Cursor::open(&text, NOW + Span::hours(25)).is_err());
    }

    #[test]
    fn fields_are_kept_or_left_out() {
        let object = json!({"a": 1, "b": 2, "c": 3});
        let keep = |raw: &str| Query::parse(Some(raw)).fields().unwrap().keep(object.clone());
        assert_eq!(keep("fields=a,nope"), json!({"a": 1}));
        assert_eq!(keep("fields=a&include_fields=false"), json!({"b": 2, "c": 3}));
        assert_eq!(keep("include_fields=true"), object);
    }
}
