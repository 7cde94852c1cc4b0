//! What a template may cost: whoever may write one must not be able to stop the pages and mails of everybody by it.
//!
//! The library has no limits of its own. It makes the whole of `(1..1000000000)` before the first turn, `append` doubles a text at each
//! turn, `date: "%999999999Y"` pads, and each open block is a frame on the stack. So everything that works is wrapped in what first pays for it.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use liquid_core::parser::FilterArguments;
use liquid_core::{
    BlockReflection, Error, Expression, Filter, FilterReflection, Language, ParseBlock, ParseFilter,
    ParseTag, Renderable, Result, Runtime, TagBlock, TagReflection, TagTokenIter, Value, ValueView,
};

/// What all work on one page or message may cost, about a byte written or read each: some tens of milliseconds.
const WORK: u64 = 5_000_000;
/// How large one value may become, in bytes.
const VALUE: u64 = 65_536;
/// What one tag or filter costs besides what it reads and writes.
const STEP: u64 = 50;
/// How deep blocks may stand in one another.
const DEEPEST: u64 = 50;
/// How many brackets may be open at once, in the whole source: each is a frame on the reader's stack.
const OPEN_BRACKETS: usize = 100;
/// How many tags and outputs a template may have; the reader looks at the rest of the source at each that has no end.
const TAGS: usize = 2_000;
/// How many blanks may follow one another; the reader looks at the rest of them at each one.
const BLANKS: usize = 256;

/// What stands in place of a result that would have cost too much.
pub(super) const TOO_MUCH: &str = "it does too much: its loops or values are too large";

/// Says why a template must not even be read, if so.
pub(super) fn readable(source: &str) -> std::result::Result<(), &'static str> {
    if source.matches("{%").count() + source.matches("{{").count() > TAGS {
        return Err("it has more than 2,000 tags");
    }
    let (mut open, mut blanks) = (0_usize, 0);
    for letter in source.chars() {
        match letter {
            '[' => open += 1,
            ']' => open = open.saturating_sub(1),
            _ => {}
        }
        blanks = if letter.is_whitespace() { blanks + 1 } else { 0 };
        if open > OPEN_BRACKETS {
            return Err("it has more than 100 open brackets");
        }
        if blanks > BLANKS {
            return Err("it has more than 256 blanks in a row");
        }
    }
    Ok(())
}

/// What is left of the work that a template may do.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    left: AtomicU64,
    depth: AtomicU64,
    over: AtomicBool,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self(Arc::new(Counters { left: WORK.into(), depth: 0.into(), over: false.into() }))
    }

    /// Returns whether more was asked for than there was.
    pub(super) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed)
    }

    /// Pays for work before it is done.
    pub(super) fn pay(&self, work: u64) -> Result<()> {
        let paid =
            self.0.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(work));
        if paid.is_ok() { Ok(()) } else { self.refuse() }
    }

    /// Pays for a step that has these values before it.
    fn step<'v>(&self, values: impl IntoIterator<Item = &'v dyn ValueView>) -> Result<()> {
        self.pay(STEP + values.into_iter().map(size).sum::<u64>())
    }

    /// Pays for the turns of a loop.
    pub(super) fn turns(&self, turns: u64) -> Result<()> {
        self.pay(turns.saturating_mul(STEP))
    }

    /// Reads a block, unless it stands too deep in others.
    pub(super) fn deeper<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.0.depth.fetch_add(1, Ordering::Relaxed) >= DEEPEST {
            return Err(Error::with_msg("Blocks stand in one another more than 50 deep"));
        }
        let read = read();
        self.0.depth.fetch_sub(1, Ordering::Relaxed);
        read
    }

    /// Pays for a value, unless it is too large for one.
    fn value(&self, value: Value) -> Result<Value> {
        let size = size(&value);
        if size > VALUE {
            return self.refuse();
        }
        self.pay(size).map(|()| value)
    }

    fn refuse<T>(&self) -> Result<T> {
        self.0.over.store(true, Ordering::Relaxed);
        Err(Error::with_msg(TOO_MUCH))
    }
}

/// Returns about how many bytes a value has.
fn size(value: &dyn ValueView) -> u64 {
    /// What an element costs besides its text.
    const ELEMENT: u64 = 32;
    if let Some(array) = value.as_array() {
        array.values().map(|item| ELEMENT + size(item)).sum()
    } else if let Some(object) = value.as_object() {
        object.iter().map(|(name, item)| ELEMENT + name.len() as u64 + size(item)).sum()
    } else {
        value.as_scalar().map_or(0, |text| text.to_kstr().len() as u64)
    }
}

/// Where a text is written to, paid for by the byte.
pub(super) struct Paper<'b> {
    budget: &'b Budget,
    written: Vec<u8>,
}

impl<'b> Paper<'b> {
    pub(super) fn new(budget: &'b Budget) -> Self {
        Self { budget, written: Vec::new() }
    }

    pub(super) fn text(self) -> String {
        String::from_utf8(self.written).expect("only whole texts are written")
    }

    /// Returns what was written, unless it is too large for a value.
    pub(super) fn value(self) -> Result<Value> {
        let budget = self.budget;
        budget.value(Value::scalar(self.text()))
    }
}

impl Write for Paper<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.budget.pay(1 + part.len() as u64).map_err(|_| io::Error::other(TOO_MUCH))?;
        self.written.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How the result of a filter grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// No more than input and arguments together.
    Sum,
    /// As many times an argument as the input is long.
    Product,
    /// As a number says that stands in an argument.
    Padding,
}

/// A tag, a block or a filter that pays before it works.
#[derive(Clone, Debug)]
pub(super) struct Paid<P> {
    plugin: P,
    growth: Growth,
    budget: Budget,
}

impl<P> Paid<P> {
    pub(super) fn new(plugin: P, budget: &Budget) -> Self {
        Self { plugin, growth: Growth::Sum, budget: budget.clone() }
    }

    pub(super) fn growing(self, growth: Growth) -> Self {
        Self { growth, ..self }
    }

    fn element(&self, inner: Box<dyn Renderable>) -> Box<dyn Renderable> {
        Box::new(PaidElement { inner, budget: self.budget.clone() })
    }
}

impl<P: ParseTag + Clone + 'static> ParseTag for Paid<P> {
    fn parse(&self, arguments: TagTokenIter<'_>, options: &Language) -> Result<Box<dyn Renderable>> {
        Ok(self.element(self.plugin.parse(arguments, options)?))
    }

    fn reflection(&self) -> &dyn TagReflection {
        self.plugin.reflection()
    }
}

impl<P: ParseBlock + Clone + 'static> ParseBlock for Paid<P> {
    fn parse(
        &self,
        arguments: TagTokenIter<'_>,
        block: TagBlock<'_, '_>,
        options: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let inner = self.budget.deeper(|| self.plugin.parse(arguments, block, options))?;
        Ok(self.element(inner))
    }

    fn reflection(&self) -> &dyn BlockReflection {
        self.plugin.reflection()
    }
}

impl<P: ParseFilter + Clone + 'static> ParseFilter for Paid<P> {
    fn parse(&self, arguments: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        let positional: Vec<Expression> = arguments.positional.collect();
        let keyword: Vec<(&str, Expression)> = arguments.keyword.collect();
        let arguments =
            positional.iter().chain(keyword.iter().map(|(_, argument)| argument)).cloned().collect();
        let inner = self.plugin.parse(FilterArguments {
            positional: Box::new(positional.into_iter()),
            keyword: Box::new(keyword.into_iter()),
        })?;
        Ok(Box::new(PaidFilter { inner, arguments, growth: self.growth, budget: self.budget.clone() }))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self.plugin.reflection()
    }
}

#[derive(Debug)]
struct PaidElement {
    inner: Box<dyn Renderable>,
    budget: Budget,
}

impl Renderable for PaidElement {
    fn render_to(&self, writer: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        self.budget.step([])?;
        self.inner.render_to(writer, runtime)
    }
}

#[derive(Debug)]
struct PaidFilter {
    inner: Box<dyn Filter>,
    arguments: Vec<Expression>,
    growth: Growth,
    budget: Budget,
}

impl fmt::Display for PaidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Filter for PaidFilter {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value> {
        self.budget.step([input])?;
        for argument in &self.arguments {
            let Some(argument) = argument.try_evaluate(runtime) else { continue };
            let argument = argument.as_view();
            self.budget.step([argument])?;
            match self.growth {
                Growth::Sum => {}
                Growth::Product => self.budget.pay(size(input).saturating_mul(size(argument)) / 8)?,
                Growth::Padding if has_long_number(&argument.to_kstr()) => return self.budget.refuse(),
                Growth::Padding => {}
            }
        }
        self.budget.value(self.inner.evaluate(input, runtime)?)
    }
}

/// Returns whether a text has a number of four digits or more in it.
fn has_long_number(text: &str) -> bool {
    text.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit))
}
