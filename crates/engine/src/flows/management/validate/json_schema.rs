//! The schemas of bodies as JSON Schema (draft 2020-12), for the API's own OpenAPI document: what is published is what is checked.

use serde_json::{Map, Value, json};

use super::{Kind, Schema};

impl Schema {
    /// Returns the shape as JSON Schema.
    pub fn to_json_schema(&self) -> Value {
        let mut properties = Map::new();
        for field in self.fields() {
            let mut schema = field.kind.to_json_schema();
            if field.nullable {
                schema = json!({"anyOf": [schema, {"type": "null"}]});
            }
            properties.insert(field.name.to_owned(), schema);
        }
        let required: Vec<&str> = self.fields().filter(|f| f.required).map(|f| f.name).collect();
        let mut object = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        if self.closed {
            object["additionalProperties"] = json!(false);
        }
        object
    }
}

impl Kind {
    /// Returns the value as JSON Schema. A rule that JSON Schema cannot say (which addresses are addresses) is named as a `format`.
    pub fn to_json_schema(&self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Bool => json!({"type": "boolean"}),
            Self::Int(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
            Self::Number(min, max) => json!({"type": "number", "minimum": min, "maximum": max}),
            // No control characters: `\p{Cc}` is what `char::is_control` refuses.
            Self::Text(min, max) => {
                json!({"type": "string", "minLength": min, "maxLength": max, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"})
            }
            Self::Long(min, max) => {
                json!({"type": "string", "minLength": min, "maxLength": max, "pattern": r"^[^\u0000]*$"})
            }
            Self::OneOf(names) => json!({"type": "string", "enum": names}),
            Self::Email => json!({"type": "string", "format": "email"}),
            Self::Phone => json!({"type": "string", "pattern": r"^\+[0-9]{1,15}$"}),
            Self::Uri => json!({"type": "string", "format": "uri", "maxLength": 4096}),
            Self::HttpsOrEmpty => json!({"anyOf": [
                {"type": "string", "maxLength": 0},
                {"type": "string", "format": "uri", "pattern": "^https:", "maxLength": 4096}
            ]}),
            Self::Format(name, _) => json!({"type": "string", "format": name}),
            Self::Object => json!({"type": "object"}),
            Self::Either(kinds) => {
                json!({"anyOf": kinds.iter().map(Self::to_json_schema).collect::<Vec<_>>()})
            }
            Self::Map(item, max) => {
                json!({"type": "object", "additionalProperties": item.to_json_schema(), "maxProperties": max})
            }
            Self::Shape(schema) => schema.to_json_schema(),
            Self::List(item, min, max) => {
                json!({"type": "array", "items": item.to_json_schema(), "minItems": min, "maxItems": max})
            }
            Self::Set(item, min, max) => json!({
                "type": "array", "items": item.to_json_schema(), "minItems": min, "maxItems": max, "uniqueItems": true
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{nullable, optional, required};
    use super::*;

    const INNER: Schema = Schema::open(&[optional("on", Kind::Bool)]);
    const OUTER: Schema = Schema::closed(&[
        required("name", Kind::OneOf(&["a", "b"])),
        nullable("inner", Kind::Shape(&INNER)),
        optional("many", Kind::Set(&Kind::Int(0, 3), 1, 2)),
    ]);

    #[test]
    fn what_is_checked_is_what_is_told() {
        assert_eq!(
            OUTER.to_json_schema(),
            json!({
                "type": "object", "required": ["name"], "additionalProperties": false,
                "properties": {
                    "name": {"type": "string", "enum": ["a", "b"]},
                    "inner": {"anyOf": [
                        {"type": "object", "properties": {"on": {"type": "boolean"}}}, {"type": "null"}
                    ]},
                    "many": {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": true,
                             "items": {"type": "integer", "minimum": 0, "maximum": 3}}
                }
            })
        );
    }
}
