//! The small boundaries, read off the `use` lines: the big ones are held by Cargo.

use std::fs;
use std::path::{Path, PathBuf};

/// In files under the first folder, the second text must not stand in a `use` line; the third says where the code belongs.
const RULES: &[(&str, &str, &str)] = &[
    (
        "engine/src/store",
        "crate::flows",
        "the store does not know flows: a decision belongs into flows/, SQL stays here",
    ),
    (
        "engine/src/store",
        "crate::providers",
        "the store calls no other machine: that belongs into providers/",
    ),
    ("engine/src/flows", "sqlx", "flows speak to the database through store/: the SQL belongs there"),
    ("engine/src/flows", "rusqlite", "flows speak to the database through store/: the SQL belongs there"),
    (
        "engine/src/providers",
        "crate::store",
        "a provider is a call to another machine and nothing else: the flow stores",
    ),
    ("core/src", "tokio", "core is synchronous: what waits belongs into engine"),
    ("core/src", "std::fs", "core does no I/O: reading files belongs into engine or server"),
    ("core/src", "std::net::Tcp", "core does no I/O: the network belongs into engine or server"),
    ("core/src/factors", "crate::login", "a factor does not know the login: login/ calls factors"),
    ("core/src/model", "crate::login", "model is plain data: rules about a login belong into login/"),
    ("server/src/http", "sqlx", "a handler calls a flow: SQL belongs into engine/src/store"),
    ("server/src/http", "rusqlite", "a handler calls a flow: SQL belongs into engine/src/store"),
    ("server/src/http", "store::db::Conn", "a handler calls a flow: loading and saving belong there"),
    ("server/src/ui", "axum", "pages render text: HTTP belongs into http/"),
    ("engine/src", "axum", "engine knows no HTTP server: that belongs into server/src/http"),
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Returns what breaks a rule in a file's text.
fn broken(text: &str, forbidden: &str) -> Option<String> {
    let line = text.lines().find(|l| {
        let l = l.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        l.starts_with("use ") && l.contains(forbidden)
    })?;
    Some(line.trim().to_owned())
}

#[test]
fn use_lines_point_the_right_way() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut complaints = Vec::new();
    for (folder, forbidden, advice) in RULES {
        let mut files = Vec::new();
        rust_files(&crates.join(folder), &mut files);
        for file in files {
            if let Some(line) = broken(&fs::read_to_string(&file).unwrap(), forbidden) {
                complaints
                    .push(format!("{}: `{line}`: {advice}", file.strip_prefix(crates).unwrap().display()));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn a_use_line_that_points_the_wrong_way_is_seen() {
    assert!(broken("use crate::flows::login;", "crate::flows").is_some());
    assert!(broken("    pub use sqlx::Row;", "sqlx").is_some());
    assert!(broken("// use crate::flows::login;", "crate::flows").is_none());
}

#[test]
fn no_test_file_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut files = Vec::new();
    rust_files(&folder, &mut files);
    let all: String = files.iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    for file in &files {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let name =
            if stem == "mod" { file.parent().unwrap().file_name().unwrap().to_str().unwrap() } else { stem };
        let declared = stem == "main"
            || all
                .lines()
                .any(|l| l.trim() == format!("mod {name};") || l.trim() == format!("pub(crate) mod {name};"));
        assert!(declared, "{} is in no `mod` line, so its tests never run", file.display());
    }
}

#[test]
fn the_tests_that_compatibility_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    rust_files(&root.join("crates/server/tests/it"), &mut files);
    let all: String = files.iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    let page = fs::read_to_string(root.join("docs/COMPATIBILITY.md")).unwrap();
    // What stands in backticks on a line of a table, and is written as the name of a test is: `a_b_c_d_e`.
    let named: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|word| {
            word.matches('_').count() > 3 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .collect();
    let missing: Vec<_> = named.iter().filter(|name| !all.contains(&format!("fn {name}("))).collect();
    assert!(named.len() > 20 && missing.is_empty(), "not tests: {missing:?}");
}
