//! What a route takes and gives: said once in the table, published by [`super::openapi`], and held to by every answer in debug builds.

use lockstep_engine::flows::management::validate::{Kind, Schema};
use serde_json::Value;

/// What a route reads as its body.
#[derive(Clone, Copy)]
pub enum Takes {
    /// None.
    Nothing,
    /// An object.
    Object(&'static Schema),
    /// Something else in JSON: a bare array, or one of several shapes.
    Value(&'static Kind),
    /// A `multipart/form-data` body, with the names of its parts.
    Form(&'static [&'static str]),
}

/// What a route gives when it succeeds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// No body.
    Nothing,
    /// No body, or an object.
    Perhaps,
    /// An object.
    Object,
    /// A number.
    Number,
    /// A plain array, whatever the query.
    Rows,
    /// A plain array or an envelope with this key, as the query asks (contract/management-api.md 1.6).
    List(&'static str),
    /// Always an envelope with this key.
    Envelope(&'static str),
}

impl Gives {
    /// Returns whether a body is one of this kind.
    fn fits(self, body: Option<&Value>) -> bool {
        let enveloped = |body: &Value, key: &str| body.get(key).is_some_and(Value::is_array);
        match (self, body) {
            (Self::Nothing | Self::Perhaps, None) => true,
            (Self::Object | Self::Perhaps, Some(body)) => body.is_object(),
            (Self::Number, Some(body)) => body.is_number(),
            (Self::Rows, Some(body)) => body.is_array(),
            (Self::List(key), Some(body)) => body.is_array() || enveloped(body, key),
            (Self::Envelope(key), Some(body)) => enveloped(body, key),
            _ => false,
        }
    }
}

/// How a list is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// Not at all.
    Whole,
    /// By `page` and `per_page`.
    Offset,
    /// By `from` and `take`.
    Checkpoint,
    /// By either.
    Both,
}

/// A parameter of the query that is not about paging or fields.
#[derive(Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Whether it has to be there.
    pub required: bool,
}

/// A text in the query.
pub const fn text(name: &'static str) -> Param {
    Param { name, kind: Kind::Text(0, 4096), required: false }
}

/// `true` or `false` in the query.
pub const fn flag(name: &'static str) -> Param {
    Param { name, kind: Kind::Bool, required: false }
}

/// A parameter without which the route refuses.
pub const fn needed(name: &'static str) -> Param {
    Param { name, kind: Kind::Text(1, 4096), required: true }
}

/// What a route takes and gives.
#[derive(Clone, Copy)]
pub struct Spec {
    /// The body it reads.
    pub takes: Takes,
    /// The body it gives.
    pub gives: Gives,
    /// The statuses of success.
    pub statuses: &'static [u16],
    /// Errors beside those that are common to all.
    pub errors: &'static [u16],
    /// How its list is cut.
    pub paging: Paging,
    /// Whether `fields` and `include_fields` choose properties.
    pub fields: bool,
    /// What else it reads from the query.
    pub query: &'static [Param],
}

impl Spec {
    /// Returns what most routes with a method do.
    pub const fn of(method: &str) -> Self {
        let (gives, statuses): (Gives, &[u16]) = match method.as_bytes() {
            b"POST" => (Gives::Object, &[201]),
            b"DELETE" => (Gives::Nothing, &[204]),
            _ => (Gives::Object, &[200]),
        };
        Self {
            takes: Takes::Nothing,
            gives,
            statuses,
            errors: &[],
            paging: Paging::Whole,
            fields: false,
            query: &[],
        }
    }

    /// It reads an object.
    #[must_use]
    pub const fn takes(self, schema: &'static Schema) -> Self {
        Self { takes: Takes::Object(schema), ..self }
    }

    /// It reads something else in JSON.
    #[must_use]
    pub const fn takes_value(self, kind: &'static Kind) -> Self {
        Self { takes: Takes::Value(kind), ..self }
    }

    /// It reads a form with files.
    #[must_use]
    pub const fn takes_form(self, parts: &'static [&'static str]) -> Self {
        Self { takes: Takes::Form(parts), ..self }
    }

    /// It succeeds with another status than most.
    #[must_use]
    pub const fn status(self, statuses: &'static [u16]) -> Self {
        Self { statuses, ..self }
    }

    /// It gives a body of another kind than most.
    #[must_use]
    pub const fn gives(self, gives: Gives) -> Self {
        Self { gives, ..self }
    }

    /// It succeeds without a body, with 204.
    #[must_use]
    pub const fn nothing(self) -> Self {
        Self { gives: Gives::Nothing, statuses: &[204], ..self }
    }

    /// It gives a list by pages.
    #[must_use]
    pub const fn list(self, key: &'static str) -> Self {
        Self { gives: Gives::List(key), paging: Paging::Offset, ..self }
    }

    /// It gives a list by pages or checkpoints.
    #[must_use]
    pub const fn any_list(self, key: &'static str) -> Self {
        Self { gives: Gives::List(key), paging: Paging::Both, ..self }
    }

    /// It gives a list by checkpoints alone.
    #[must_use]
    pub const fn checkpoints(self, key: &'static str) -> Self {
        Self { gives: Gives::Envelope(key), paging: Paging::Checkpoint, ..self }
    }

    /// It gives an envelope that may be cut by pages.
    #[must_use]
    pub const fn envelope(self, key: &'static str) -> Self {
        Self { gives: Gives::Envelope(key), paging: Paging::Offset, ..self }
    }

    /// It lets properties be chosen.
    #[must_use]
    pub const fn fields(self) -> Self {
        Self { fields: true, ..self }
    }

    /// It reads these from the query.
    #[must_use]
    pub const fn asks(self, query: &'static [Param]) -> Self {
        Self { query, ..self }
    }

    /// It fails with these too.
    #[must_use]
    pub const fn errors(self, errors: &'static [u16]) -> Self {
        Self { errors, ..self }
    }

    /// Returns the statuses of failure that a route with a method documents.
    pub fn failures(&self, method: &str) -> Vec<u16> {
        let mut all = vec![400, 401, 403, 404, 429, 503];
        if method != "GET" {
            all.extend([409, 413, 415]);
        }
        all.extend(self.errors);
        all.sort_unstable();
        all
    }

    /// Returns whether an answer is one that the table tells.
    pub fn allows(&self, method: &str, status: u16, body: Option<&Value>) -> bool {
        if status < 400 {
            return self.statuses.contains(&status) && (status == 204 || self.gives.fits(body));
        }
        self.failures(method).contains(&status)
    }
}
