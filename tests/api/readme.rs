//! The README's table of settings says what the code does. `UPDATE_FIXTURES=1` writes it anew.

use std::fmt::Write;
use std::path::Path;

use qrstack::config::SETTINGS;

const BEGIN: &str = "<!-- settings: written by the tests -->\n";
const END: &str = "<!-- end of settings -->\n";

fn table() -> String {
    let mut table = "| variable | default | what it does |\n|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let about = setting.about.trim().replace('|', "\\|");
        let file = if setting.secret { " May come from a file: add `_FILE`." } else { "" };
        writeln!(table, "| `{}` | {default} | {about}{file} |", setting.variable()).expect("a String takes everything");
    }
    table
}

#[test]
fn the_readme_lists_every_setting_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the mark before the table");
    let (found, after) = rest.split_once(END).expect("the mark after the table");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).expect("written");
        return;
    }
    assert_eq!(found, table(), "run the tests once with UPDATE_FIXTURES=1");
}
