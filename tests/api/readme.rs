//! The README's table of settings says what the code does. `UPDATE_FIXTURES=1` writes it anew.
//!
//! `README.zh.md` is its twin in Chinese. Prose cannot be compared, but what must not be translated can: code blocks, names in code
//! font, the outline and the rows of tables. What tests write into `README.md` stands there alone.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use qrstack::config::SETTINGS;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh.md";

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
    let path = Path::new(ROOT).join(ENGLISH);
    let readme = fs::read_to_string(&path).expect(ENGLISH);
    let (before, rest) = readme.split_once(BEGIN).expect("the mark before the table");
    let (found, after) = rest.split_once(END).expect("the mark after the table");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        // At once, since the tests below read it meanwhile.
        let made = path.with_extension("md.new");
        fs::write(&made, format!("{before}{BEGIN}{}{END}{after}", table())).expect("written");
        fs::rename(made, path).expect("replaced");
        return;
    }
    assert_eq!(found, table(), "run the tests once with UPDATE_FIXTURES=1");
}

/// A heading and what stands below it, up to the next one.
#[derive(Default)]
struct Section {
    level: usize,
    title: String,
    blocks: Vec<String>,
    /// All but the blocks.
    text: String,
}

impl Section {
    /// The text by turns as prose (even places) and in code font (odd ones).
    fn pieces(&self) -> impl Iterator<Item = (bool, &str)> {
        self.text.split('`').enumerate().map(|(place, piece)| (place % 2 == 1, piece))
    }

    /// What is set in code font.
    fn names(&self) -> BTreeSet<String> {
        self.pieces().filter(|&(is_code, _)| is_code).map(|(_, name)| name.replace('\n', " ")).collect()
    }

    fn rows(&self) -> usize {
        self.text.lines().filter(|line| line.starts_with('|')).count()
    }

    /// Where its links lead.
    fn links(&self) -> Vec<&str> {
        let prose = self.pieces().filter(|&(is_code, _)| !is_code);
        prose.flat_map(|(_, text)| text.split("](").skip(1)).filter_map(|rest| Some(rest.split_once(')')?.0)).collect()
    }
}

/// The sections of a page, without what tests have written into it.
fn sections(file: &str) -> Vec<Section> {
    let page = fs::read_to_string(Path::new(ROOT).join(file)).expect(file);
    let (mut sections, mut in_block, mut is_written) = (vec![Section::default()], false, false);
    for line in page.lines() {
        let section = sections.last_mut().expect("one from the start");
        if line.starts_with("```") && !in_block {
            section.blocks.push(String::new());
        }
        if in_block || line.starts_with("```") {
            in_block ^= line.starts_with("```");
            let block = section.blocks.last_mut().expect("one has begun");
            block.push_str(line);
            block.push('\n');
        } else if is_written || line.starts_with("<!--") {
            is_written = line.contains(": written by ") || is_written && !line.starts_with("<!-- end of ");
        } else if let Some((marks, title)) = line.split_once(' ').filter(|(marks, _)| marks.starts_with('#')) {
            sections.push(Section { level: marks.len(), title: title.to_owned(), ..Section::default() });
        } else {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    assert!(!in_block && !is_written, "{file}: a code block or a part written by tests has no end");
    sections
}

/// The anchors that GitHub gives to headings: small letters, hyphens for spaces, no punctuation, a number for further ones.
fn anchors(sections: &[Section]) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for section in &sections[1..] {
        let title = section.title.to_lowercase().replace(' ', "-");
        let plain: String = title.chars().filter(|&c| c.is_alphanumeric() || c == '-' || c == '_').collect();
        let mut names = std::iter::once(plain.clone()).chain((1..).map(|number| format!("{plain}-{number}")));
        anchors.insert(names.find(|name| !anchors.contains(name)).expect("numbers have no end"));
    }
    anchors
}

#[test]
fn the_chinese_readme_has_the_outline_of_the_english_one() {
    let outline = |file| -> Vec<(usize, String)> {
        sections(file).into_iter().skip(1).map(|section| (section.level, section.title)).collect()
    };
    let (english, chinese) = (outline(ENGLISH), outline(CHINESE));
    for (place, (level, title)) in english.iter().enumerate() {
        let found = chinese.get(place);
        assert!(
            found.is_some_and(|(found, _)| found == level),
            "{CHINESE} has {found:?} where {ENGLISH} has {title:?} of level {level}: give it the same sections in the same order"
        );
    }
    assert_eq!(
        chinese.get(english.len()),
        None,
        "{CHINESE} has more sections than {ENGLISH}: take this one out, or translate it back"
    );
}

#[test]
fn the_chinese_readme_has_the_code_of_the_english_one() {
    let mut wrong = String::new();
    let mut say = |english: &Section, chinese: &Section, what: String| {
        writeln!(wrong, "- {:?} ({:?}): {what}", chinese.title, english.title).expect("a String takes everything");
    };
    for (english, chinese) in sections(ENGLISH).iter().zip(&sections(CHINESE)) {
        if english.blocks != chinese.blocks {
            say(english, chinese, "its code blocks differ; copy them as they are, comments too".to_owned());
        }
        let (names, found) = (english.names(), chinese.names());
        for name in names.difference(&found) {
            say(english, chinese, format!("`{name}` is missing; translate the sentence or row that has it"));
        }
        for name in found.difference(&names) {
            say(english, chinese, format!("`{name}` is not in {ENGLISH}; take it out"));
        }
        if english.rows() != chinese.rows() {
            say(english, chinese, format!("its tables have {} lines instead of {}", chinese.rows(), english.rows()));
        }
    }
    assert!(wrong.is_empty(), "bring {CHINESE} up to {ENGLISH}:\n{wrong}");
}

#[test]
fn the_links_of_both_readmes_lead_somewhere() {
    for page in [ENGLISH, CHINESE] {
        for section in sections(page) {
            for link in section.links().into_iter().filter(|link| !link.contains(':')) {
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let file = if file.is_empty() { page } else { file };
                let title = &section.title;
                assert!(Path::new(ROOT).join(file).exists(), "{page}, {title:?}: there is no {file}; correct the link");
                let anchors =
                    if anchor.is_empty() { BTreeSet::from([String::new()]) } else { anchors(&sections(file)) };
                assert!(
                    anchors.contains(anchor),
                    "{page}, {title:?}: no heading of {file} makes #{anchor}; correct the link, there are {anchors:?}"
                );
            }
        }
    }
}
