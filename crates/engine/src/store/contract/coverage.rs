//! No store function without a test.

use std::fs;
use std::path::Path;

/// These are the door itself, and helpers that the functions above them use.
const NOT_AGGREGATES: &[&str] = &["db", "mod", "testing", "search"];

#[test]
fn every_store_function_is_called_by_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let tests: String =
        fs::read_dir(folder.join("contract")).unwrap().map(|e| read(&e.unwrap().path())).collect();
    let mut missing = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() || NOT_AGGREGATES.contains(&module.as_str()) {
            continue;
        }
        let text = read(&path);
        let (code, own_tests) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        for line in code.lines() {
            let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
            let name = rest.split(['(', '<']).next().unwrap();
            let tested = tests.contains(&format!("{module}::{name}("))
                || tests.contains(&format!("{module}::{name}::<"))
                || own_tests.contains(&format!("{name}("));
            if !tested {
                missing.push(format!("{module}::{name}"));
            }
        }
    }
    assert!(missing.is_empty(), "no contract test calls {missing:?}");
}
