//! The blocks that can run away or keep what they write: our own, with the same words and the same meaning.

use std::io::Write;

use liquid::model::{KString, Scalar, Value, ValueCow, ValueView};
use liquid_core::parser::{BlockElement, TryMatchToken};
use liquid_core::runtime::{Interrupt, InterruptRegister, StackFrame};
use liquid_core::{
    BlockReflection, Error, Expression, Language, Object, ParseBlock, Renderable, Result, Runtime, TagBlock,
    TagTokenIter, Template,
};
use liquid_lib::stdlib::ForloopObject;

use super::limits::{Budget, Paper};

/// `{% for item in items limit:2 offset:1 reversed %} … {% else %} … {% endfor %}`
#[derive(Clone, Debug)]
pub(super) struct For(pub Budget);

impl BlockReflection for For {
    fn start_tag(&self) -> &'static str {
        "for"
    }

    fn end_tag(&self) -> &'static str {
        "endfor"
    }

    fn description(&self) -> &'static str {
        "Renders a block once for each item."
    }
}

impl ParseBlock for For {
    fn parse(
        &self,
        arguments: TagTokenIter<'_>,
        block: TagBlock<'_, '_>,
        options: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let read = self.0.deeper(|| Loop::read(arguments, block, options, &self.0))?;
        Ok(Box::new(read))
    }

    fn reflection(&self) -> &dyn BlockReflection {
        self
    }
}

#[derive(Debug)]
struct Loop {
    name: KString,
    over: Over,
    limit: Option<Expression>,
    offset: Option<Expression>,
    reversed: bool,
    body: Template,
    otherwise: Option<Template>,
    budget: Budget,
}

#[derive(Debug)]
enum Over {
    Items(Expression),
    Numbers(Expression, Expression),
}

impl Loop {
    fn read(
        mut arguments: TagTokenIter<'_>,
        mut block: TagBlock<'_, '_>,
        options: &Language,
        budget: &Budget,
    ) -> Result<Self> {
        let name =
            arguments.expect_next("Identifier expected.")?.expect_identifier().into_result()?.to_owned();
        let in_expected = "\"in\" expected.";
        arguments.expect_next(in_expected)?.expect_str("in").into_result_custom_msg(in_expected)?;
        let over = match arguments.expect_next("Array or range expected.")?.expect_value() {
            TryMatchToken::Matches(items) => Over::Items(items),
            TryMatchToken::Fails(range) => {
                let (from, to) = range.expect_range().into_result()?;
                Over::Numbers(from, to)
            }
        };
        let (mut limit, mut offset, mut reversed) = (None, None, false);
        while let Some(token) = arguments.next() {
            match token.as_str() {
                "limit" => limit = Some(attribute(&mut arguments)?),
                "offset" => offset = Some(attribute(&mut arguments)?),
                "reversed" => reversed = true,
                _ => {
                    return Err(token.raise_custom_error("\"limit\", \"offset\" or \"reversed\" expected."));
                }
            }
        }
        let (mut body, mut otherwise) = (Vec::new(), None);
        while let Some(element) = block.next()? {
            match element {
                BlockElement::Tag(mut tag) if tag.name() == "else" => {
                    tag.tokens().expect_nothing()?;
                    otherwise = Some(Template::new(block.parse_all(options)?));
                    break;
                }
                element => body.push(element.parse(&mut block, options)?),
            }
        }
        block.assert_empty();
        let body = Template::new(body);
        Ok(Self { name: name.into(), over, limit, offset, reversed, body, otherwise, budget: budget.clone() })
    }

    /// Returns what the block is rendered for, paid for.
    fn items(&self, runtime: &dyn Runtime) -> Result<Vec<Value>> {
        let skip = number(self.offset.as_ref(), runtime)?.unwrap_or(0);
        let take = number(self.limit.as_ref(), runtime)?.unwrap_or(u64::MAX);
        let count = |all: u64| all.saturating_sub(skip).min(take);
        let mut items: Vec<Value> = match &self.over {
            Over::Numbers(from, to) => {
                let (from, to) = (whole(from, runtime)?, whole(to, runtime)?);
                let all = to.checked_sub(from).map_or(u64::MAX, |more| u64::try_from(more + 1).unwrap_or(0));
                self.budget.turns(count(all))?;
                let first = from.saturating_add_unsigned(skip);
                (0..count(all)).map(|n| Value::scalar(first.saturating_add_unsigned(n))).collect()
            }
            Over::Items(items) => {
                let items = items.evaluate(runtime)?;
                let some = |all: i64| count(all.unsigned_abs());
                let (skip, view) = (usize::try_from(skip).unwrap_or(usize::MAX), items.as_view());
                if let Some(array) = view.as_array() {
                    self.budget.turns(some(array.size()))?;
                    let take = usize::try_from(some(array.size())).unwrap_or(usize::MAX);
                    array.values().skip(skip).take(take).map(ValueView::to_value).collect()
                } else if let Some(object) = view.as_object() {
                    self.budget.turns(some(object.size()))?;
                    let take = usize::try_from(some(object.size())).unwrap_or(usize::MAX);
                    let pair = |(name, item): (liquid::model::KStringCow<'_>, &dyn ValueView)| {
                        Value::Array(vec![Value::scalar(name.into_owned()), item.to_value()])
                    };
                    object.iter().skip(skip).take(take).map(pair).collect()
                } else if view.is_state() || view.is_nil() {
                    Vec::new()
                } else {
                    return Err(Error::with_msg(format!("Expected array, found `{}`", view.type_name())));
                }
            }
        };
        if self.reversed {
            items.reverse();
        }
        Ok(items)
    }
}

impl Renderable for Loop {
    fn render_to(&self, writer: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        let items = self.items(runtime)?;
        if let (true, Some(otherwise)) = (items.is_empty(), &self.otherwise) {
            return otherwise.render_to(writer, runtime);
        }
        let parent = runtime.try_get(&[Scalar::new("forloop")]).map(ValueCow::into_owned);
        let turns = items.len();
        for (turn, item) in items.into_iter().enumerate() {
            let mut scope = Object::new();
            if let Value::Object(mut forloop) = ForloopObject::new(turn, turns).to_value() {
                forloop.insert("parentloop".into(), parent.clone().unwrap_or(Value::Nil));
                scope.insert("forloop".into(), Value::Object(forloop));
            }
            scope.insert(self.name.clone(), item);
            let frame = StackFrame::new(runtime, &scope);
            self.body.render_to(writer, &frame)?;
            if frame.registers().get_mut::<InterruptRegister>().reset() == Some(Interrupt::Break) {
                break;
            }
        }
        Ok(())
    }
}

/// Reads `: value`.
fn attribute(arguments: &mut TagTokenIter<'_>) -> Result<Expression> {
    let colon = "\":\" expected.";
    arguments.expect_next(colon)?.expect_str(":").into_result_custom_msg(colon)?;
    arguments.expect_next("Value expected.")?.expect_value().into_result()
}

fn number(attribute: Option<&Expression>, runtime: &dyn Runtime) -> Result<Option<u64>> {
    attribute.map(|attribute| whole(attribute, runtime).map(|n| u64::try_from(n).unwrap_or(0))).transpose()
}

fn whole(value: &Expression, runtime: &dyn Runtime) -> Result<i64> {
    let value = value.evaluate(runtime)?;
    value
        .as_scalar()
        .and_then(|scalar| scalar.to_integer())
        .ok_or_else(|| Error::with_msg(format!("Expected whole number, found `{}`", value.type_name())))
}

/// `{% capture name %} … {% endcapture %}`
#[derive(Clone, Debug)]
pub(super) struct Capture(pub Budget);

impl BlockReflection for Capture {
    fn start_tag(&self) -> &'static str {
        "capture"
    }

    fn end_tag(&self) -> &'static str {
        "endcapture"
    }

    fn description(&self) -> &'static str {
        "Keeps what a block renders in a variable."
    }
}

impl ParseBlock for Capture {
    fn parse(
        &self,
        mut arguments: TagTokenIter<'_>,
        mut block: TagBlock<'_, '_>,
        options: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let name =
            arguments.expect_next("Identifier expected.")?.expect_identifier().into_result()?.to_owned();
        arguments.expect_nothing()?;
        let body = self.0.deeper(|| block.parse_all(options))?;
        block.assert_empty();
        Ok(Box::new(Captured { name: name.into(), body: Template::new(body), budget: self.0.clone() }))
    }

    fn reflection(&self) -> &dyn BlockReflection {
        self
    }
}

#[derive(Debug)]
struct Captured {
    name: KString,
    body: Template,
    budget: Budget,
}

impl Renderable for Captured {
    fn render_to(&self, _: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        let mut paper = Paper::new(&self.budget);
        self.body.render_to(&mut paper, runtime)?;
        runtime.set_global(self.name.clone(), paper.value()?);
        Ok(())
    }
}
