//! `qrstack products`: the catalogue of QueryBarCode filled and written out beside a running server.

use std::fs;
use std::process::{Output, Stdio};

use crate::program::{Program, qrstack};
use crate::text;

fn products(program: &Program, arguments: &[&str]) -> Output {
    let folder = program.data_dir();
    let mut command = qrstack();
    command.arg("products").args(arguments).arg("--data-dir").arg(folder).stdin(Stdio::null());
    command.output().expect("the program runs")
}

/// `ProductName` and `CheckResult` as the running server answers them.
fn look_up(program: &Program, bar_code: &str) -> (String, String) {
    let body = format!(r#"{{"BarCode":"{bar_code}"}}"#);
    let head = format!(
        "POST / HTTP/1.1\r\nX-TC-Action: QueryBarCode\r\nX-TC-Version: 2018-11-19\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n",
        body.len()
    );
    let (status, answer) = program.request(&head, &body);
    assert_eq!(status, 200);
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
    let record = &answer["Response"]["ProductDataRecords"][0];
    let field = |name: &str| record[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    (field("ProductName"), field("CheckResult"))
}

#[test]
fn an_import_beside_a_running_server_is_seen_at_once_and_can_be_exported() {
    let program = Program::start(&["--auth", "open"]);
    assert_eq!(look_up(&program, "6928804021912"), (String::new(), "4".to_owned()));

    let csv = program.path("products.csv");
    fs::write(&csv, "BarCode,ProductName,CheckResult\n6928804021912,可乐,1\n6928804021913,x,1\nx\n").expect("written");
    let imported = products(&program, &["import", &csv.display().to_string()]);
    assert_eq!(text(&imported.stdout), "1 products imported, 2 bad lines skipped\n");
    assert_eq!(
        text(&imported.stderr),
        "line 3: BarCode \"6928804021913\": the check digit is 3, it must be 2\nline 4: the line has 1 fields, the header 3\n"
    );
    assert_eq!(imported.status.code(), Some(0));
    assert_eq!(look_up(&program, "06928804021912"), ("可乐".to_owned(), "1".to_owned()));

    let exported = products(&program, &["export"]);
    assert_eq!(exported.status.code(), Some(0), "{}", text(&exported.stderr));
    let lines: Vec<_> = text(&exported.stdout).lines().collect();
    assert!(lines[0].starts_with("BarCode,ProductName,EnName,"), "{lines:?}");
    assert_eq!(lines[1], "06928804021912,可乐,,,,,,,,,,,,,,1");
    assert!(lines[2].starts_with("06941858722888,真快洁涂擦式清洁剂,"), "{lines:?}");
    let file = program.path("out.csv");
    assert_eq!(products(&program, &["export", &file.display().to_string()]).status.code(), Some(0));
    assert_eq!(fs::read(&file).expect("written"), exported.stdout);
}

#[test]
fn an_import_fails_where_nothing_could_be_imported() {
    let program = Program::start(&[]);
    let file = program.path("products");
    for (content, expected, said) in [
        ("", 0, "0 products imported, 0 bad lines skipped\n"),
        ("BarCode\nx\n", 1, "0 products imported, 1 bad lines skipped\n"),
        ("Name\n", 1, ""),
        ("{\"BarCode\":\"6928804021912\"}\n{}\n", 0, "1 products imported, 1 bad lines skipped\n"),
    ] {
        fs::write(&file, content).expect("written");
        let output = products(&program, &["import", &file.display().to_string()]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(expected), said), "{content}");
    }
    let output = products(&program, &["import", "/nonexistent/products.csv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nonexistent/products.csv"), "{}", text(&output.stderr));
}
