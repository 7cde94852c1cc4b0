//! The search language of `q`: the Lucene subset of the Management API (contract/management-api.md 3.1 and 15).
//!
//! This is the grammar alone. Which fields exist, and which tests they allow, is decided where the rows are.

/// A parsed query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// All of them.
    All(Vec<Node>),
    /// At least one of them.
    Any(Vec<Node>),
    /// Not this one.
    Not(Box<Node>),
    /// A field that has a value: `_exists_:email`.
    Exists(String),
    /// A test on a field; without one, on those that are searched by default.
    Term(Option<String>, Test),
}

/// A test on one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Equal to this.
    Is(String),
    /// Begins with this: `an*`.
    Starts(String),
    /// Ends with this: `*example`.
    Ends(String),
    /// Has this in it: `*ampl*`.
    Contains(String),
    /// Begins with the one and ends with the other, which do not overlap: `an*ple`.
    Between(String, String),
    /// Anything at all: `*`.
    Anything,
    /// Between two ends.
    Range(Bound, Bound),
}

/// One end of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// No limit: `*`.
    Open,
    /// The limit itself counts: `[`, `]`.
    Inclusive(String),
    /// The limit itself does not count: `{`, `}`.
    Exclusive(String),
}

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// It is longer than a query needs to be.
    #[error("the query is longer than {MAX_LENGTH} characters")]
    TooLong,
    /// Its parentheses are nested too deeply.
    #[error("the query is nested too deeply")]
    TooDeep,
    /// It asks for more than a query needs to.
    #[error("the query has more than {MAX_TERMS} terms")]
    TooMany,
    /// A quote or bracket is not closed.
    #[error("{0} is not closed")]
    NotClosed(char),
    /// Something is missing or superfluous.
    #[error("a term was expected at {0:?}")]
    TermExpected(String),
    /// Several wildcards in the middle, or too little beside a leading one.
    #[error("the wildcard in {0:?} is not supported")]
    Wildcard(String),
    /// A range without its TO.
    #[error("a range is written [a TO b]")]
    Range,
}

/// The longest query in characters.
pub const MAX_LENGTH: usize = 4096;
/// The most tests in a query: each is work for every row that is looked at, and databases limit how much one condition holds.
pub const MAX_TERMS: usize = 100;
const MAX_DEPTH: usize = 16;

/// Parses a query. An empty one is `None`.
pub fn parse(text: &str) -> Result<Option<Node>, SearchError> {
    // In bytes first: what is far too long is not even counted.
    if text.len() > 4 * MAX_LENGTH || text.chars().count() > MAX_LENGTH {
        return Err(SearchError::TooLong);
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, terms: 0 };
    if parser.tokens.is_empty() {
        return Ok(None);
    }
    let node = parser.any(None)?;
    match parser.peek() {
        None => Ok(Some(node)),
        Some(token) => Err(SearchError::TermExpected(token.text())),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    /// `field:`
    Field(String),
    /// A bare word; where its unescaped stars are.
    Word(String, Vec<usize>),
    Quoted(String),
    Range(Bound, Bound),
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Open => "(".to_owned(),
            Self::Close => ")".to_owned(),
            Self::And => "AND".to_owned(),
            Self::Or => "OR".to_owned(),
            Self::Not => "NOT".to_owned(),
            Self::Field(name) => format!("{name}:"),
            Self::Word(text, _) | Self::Quoted(text) => text.clone(),
            Self::Range(..) => "[".to_owned(),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, SearchError> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        match c {
            c if c.is_whitespace() => at += 1,
            '(' => {
                out.push(Token::Open);
                at += 1;
            }
            ')' => {
                out.push(Token::Close);
                at += 1;
            }
            '!' => {
                out.push(Token::Not);
                at += 1;
            }
            '-' if chars.get(at + 1).is_some_and(|c| !c.is_whitespace()) => {
                out.push(Token::Not);
                at += 1;
            }
            '+' if out.last() != Some(&Token::Not) && !after_field(&out) => at += 1,
            '&' if chars.get(at + 1) == Some(&'&') => {
                out.push(Token::And);
                at += 2;
            }
            '|' if chars.get(at + 1) == Some(&'|') => {
                out.push(Token::Or);
                at += 2;
            }
            '"' => {
                let (quoted, next) = quoted(&chars, at + 1)?;
                out.push(Token::Quoted(quoted));
                at = next;
            }
            '[' | '{' => {
                let (range, next) = range(&chars, at)?;
                out.push(range);
                at = next;
            }
            _ => at = word(&chars, at, &mut out),
        }
    }
    Ok(out)
}

fn after_field(out: &[Token]) -> bool {
    matches!(out.last(), Some(Token::Field(_)))
}

fn quoted(chars: &[char], mut at: usize) -> Result<(String, usize), SearchError> {
    let mut text = String::new();
    while let Some(&c) = chars.get(at) {
        match c {
            '"' => return Ok((text, at + 1)),
            '\\' if at + 1 < chars.len() => {
                text.push(chars[at + 1]);
                at += 2;
            }
            _ => {
                text.push(c);
                at += 1;
            }
        }
    }
    Err(SearchError::NotClosed('"'))
}

fn range(chars: &[char], start: usize) -> Result<(Token, usize), SearchError> {
    let end = (start..chars.len())
        .find(|i| matches!(chars[*i], ']' | '}'))
        .ok_or(SearchError::NotClosed(chars[start]))?;
    let inside: String = chars[start + 1..end].iter().collect();
    let (from, to) = inside.split_once(" TO ").ok_or(SearchError::Range)?;
    let bound = |text: &str, inclusive: bool| match text.trim().trim_matches('"') {
        "*" => Bound::Open,
        text if inclusive => Bound::Inclusive(text.to_owned()),
        text => Bound::Exclusive(text.to_owned()),
    };
    let token = Token::Range(bound(from, chars[start] == '['), bound(to, chars[end] == ']'));
    Ok((token, end + 1))
}

/// Reads a word. The first colon makes what stands before it a field, unless the word is a value already: addresses and
/// times have colons too.
fn word(chars: &[char], start: usize, out: &mut Vec<Token>) -> usize {
    let mut text = String::new();
    let mut stars = Vec::new();
    let mut at = start;
    while let Some(&c) = chars.get(at) {
        match c {
            '\\' if at + 1 < chars.len() => {
                text.push(chars[at + 1]);
                at += 2;
                continue;
            }
            ':' if !text.is_empty() && stars.is_empty() && !after_field(out) => {
                out.push(Token::Field(text));
                return at + 1;
            }
            '*' => {
                stars.push(text.chars().count());
                text.push('*');
            }
            '(' | ')' | '"' => break,
            c if c.is_whitespace() => break,
            c => text.push(c),
        }
        at += 1;
    }
    out.push(match text.as_str() {
        "AND" => Token::And,
        "OR" => Token::Or,
        "NOT" => Token::Not,
        _ => Token::Word(text, stars),
    });
    at
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    terms: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    /// `a OR b`, and `a b`, which means the same; but `a NOT b` and `a -b` leave out what is `b`.
    fn any(&mut self, field: Option<&str>) -> Result<Node, SearchError> {
        let (mut nodes, mut never) = (Vec::new(), Vec::new());
        let mut explicit = false;
        loop {
            let node = self.all(field)?;
            match node {
                Node::Not(_) if !explicit && (!nodes.is_empty() || !never.is_empty() || self.continues()) => {
                    never.push(node);
                }
                _ => nodes.push(node),
            }
            if self.peek().is_none_or(|t| *t == Token::Close) {
                break;
            }
            explicit = self.eat(&Token::Or);
        }
        let some = match nodes.len() {
            0 => None,
            1 => nodes.pop(),
            _ => Some(Node::Any(nodes)),
        };
        never.splice(0..0, some);
        Ok(if never.len() == 1 { never.remove(0) } else { Node::All(never) })
    }

    /// Returns whether a term follows that no `OR` connects.
    fn continues(&self) -> bool {
        self.peek().is_some_and(|token| !matches!(token, Token::Close | Token::Or))
    }

    fn all(&mut self, field: Option<&str>) -> Result<Node, SearchError> {
        let mut nodes = vec![self.one(field)?];
        while self.eat(&Token::And) {
            nodes.push(self.one(field)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
    }

    fn one(&mut self, field: Option<&str>) -> Result<Node, SearchError> {
        let Some(token) = self.peek().cloned() else {
            return Err(SearchError::TermExpected("the end".to_owned()));
        };
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SearchError::TooDeep);
        }
        self.terms += usize::from(matches!(token, Token::Word(..) | Token::Quoted(_) | Token::Range(..)));
        self.terms += usize::from(token == Token::Field("_exists_".to_owned()));
        if self.terms > MAX_TERMS {
            return Err(SearchError::TooMany);
        }
        let own = |test| Node::Term(field.map(str::to_owned), test);
        let node = match token {
            Token::Not => Node::Not(Box::new(self.one(field)?)),
            Token::Open => {
                let inside = self.any(field)?;
                if !self.eat(&Token::Close) {
                    return Err(SearchError::NotClosed('('));
                }
                inside
            }
            Token::Field(name) if name == "_exists_" => match self.peek().cloned() {
                Some(Token::Word(text, _) | Token::Quoted(text)) => {
                    self.at += 1;
                    Node::Exists(text)
                }
                other => return Err(SearchError::TermExpected(other.map(|t| t.text()).unwrap_or_default())),
            },
            Token::Field(name) => match self.peek() {
                Some(Token::Open | Token::Word(..) | Token::Quoted(_) | Token::Range(..)) => {
                    self.one(Some(&name))?
                }
                _ => return Err(SearchError::TermExpected(format!("{name}:"))),
            },
            Token::Word(text, stars) => own(wildcard(text, &stars)?),
            Token::Quoted(text) => own(Test::Is(text)),
            Token::Range(from, to) => own(Test::Range(from, to)),
            other => return Err(SearchError::TermExpected(other.text())),
        };
        self.depth -= 1;
        Ok(node)
    }
}

fn wildcard(text: String, stars: &[usize]) -> Result<Test, SearchError> {
    let length = text.chars().count();
    let strip = |from: usize, to: usize| text.chars().skip(from).take(length - from - to).collect::<String>();
    // A leading star cannot use an index, so that it needs something to go by.
    let enough = |part: String| {
        if part.chars().count() >= 3 { Ok(part) } else { Err(SearchError::Wildcard(text.clone())) }
    };
    match *stars {
        [] => Ok(Test::Is(text)),
        [0] if length == 1 => Ok(Test::Anything),
        [at] if at + 1 == length => Ok(Test::Starts(strip(0, 1))),
        [0] => Ok(Test::Ends(enough(strip(1, 0))?)),
        [0, at] if at + 1 == length => Ok(Test::Contains(enough(strip(1, 1))?)),
        [at] => Ok(Test::Between(strip(0, length - at), strip(at + 1, 0))),
        _ => Err(SearchError::Wildcard(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(field: &str, value: &str) -> Node {
        Node::Term(Some(field.to_owned()), Test::Is(value.to_owned()))
    }

    fn parsed(text: &str) -> Node {
        parse(text).unwrap().unwrap()
    }

    #[test]
    fn what_the_tools_send_is_one_term() {
        assert_eq!(parsed("email:ann+x@acme.test"), is("email", "ann+x@acme.test"));
        assert_eq!(parsed("email:\"ann@acme.test\""), is("email", "ann@acme.test"));
        assert_eq!(parsed("user_id:auth0|665f"), is("user_id", "auth0|665f"));
        assert_eq!(parsed(r"name:John\ Doe"), is("name", "John Doe"));
        assert_eq!(
            parsed("created_at:2026-01-15T09:30:12.345Z"),
            is("created_at", "2026-01-15T09:30:12.345Z")
        );
    }

    #[test]
    fn and_binds_closer_than_or_and_a_blank_means_or() {
        assert_eq!(
            parsed("a:1 OR b:2 AND c:3"),
            Node::Any(vec![is("a", "1"), Node::All(vec![is("b", "2"), is("c", "3")])])
        );
        assert_eq!(parsed("a:1 b:2"), Node::Any(vec![is("a", "1"), is("b", "2")]));
        assert_eq!(parsed("a:(1 OR 2)"), Node::Any(vec![is("a", "1"), is("a", "2")]));
        assert_eq!(parsed("-a:1"), Node::Not(Box::new(is("a", "1"))));
        assert_eq!(
            parsed("a:1 AND NOT b:2"),
            Node::All(vec![is("a", "1"), Node::Not(Box::new(is("b", "2")))])
        );
    }

    #[test]
    fn a_not_beside_other_terms_leaves_out() {
        let not_b = || Node::Not(Box::new(is("b", "2")));
        assert_eq!(parsed("a:1 NOT b:2"), Node::All(vec![is("a", "1"), not_b()]));
        assert_eq!(parsed("-b:2 a:1"), Node::All(vec![is("a", "1"), not_b()]));
        assert_eq!(
            parsed("a:1 c:3 -b:2"),
            Node::All(vec![Node::Any(vec![is("a", "1"), is("c", "3")]), not_b()])
        );
        assert_eq!(parsed("a:1 OR NOT b:2"), Node::Any(vec![is("a", "1"), not_b()]));
        assert_eq!(parsed("NOT b:2 OR a:1"), Node::Any(vec![not_b(), is("a", "1")]));
    }

    #[test]
    fn wildcards_ranges_and_existence() {
        assert_eq!(parsed("name:an*"), Node::Term(Some("name".to_owned()), Test::Starts("an".to_owned())));
        assert_eq!(parsed("name:*anna"), Node::Term(Some("name".to_owned()), Test::Ends("anna".to_owned())));
        assert_eq!(parsed("_exists_:email"), Node::Exists("email".to_owned()));
        let range = Test::Range(Bound::Inclusive("9".to_owned()), Bound::Open);
        assert_eq!(parsed("log_id:[9 TO *]"), Node::Term(Some("log_id".to_owned()), range));
        assert!(matches!(parse("name:*a"), Err(SearchError::Wildcard(_))));
        let between = Test::Between("jane".to_owned(), "smith".to_owned());
        assert_eq!(parsed("name:jane*smith"), Node::Term(Some("name".to_owned()), between));
        assert!(matches!(parse("name:a*b*c"), Err(SearchError::Wildcard(_))));
    }

    #[test]
    fn broken_queries_say_what_is_wrong() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("name:\"x"), Err(SearchError::NotClosed('"')));
        assert_eq!(parse("(a:1"), Err(SearchError::NotClosed('(')));
        assert_eq!(parse("a:[1 2]"), Err(SearchError::Range));
        assert!(matches!(parse("a: AND"), Err(SearchError::TermExpected(_))));
        assert!(matches!(parse("a:1)"), Err(SearchError::TermExpected(_))));
        assert_eq!(parse(&"(".repeat(2000)), Err(SearchError::TooDeep));
        assert_eq!(parse(&"a".repeat(5000)), Err(SearchError::TooLong));
        assert_eq!(parse(&"ä ".repeat(100_000)), Err(SearchError::TooLong));
        assert_eq!(parse(&"a ".repeat(101)), Err(SearchError::TooMany));
        assert_eq!(parse(&"_exists_:a ".repeat(101)), Err(SearchError::TooMany));
        assert!(parse(&"a ".repeat(100)).is_ok());
    }
}
