//! `compose.yaml` and `Dockerfile` say what the program does: names, settings, ports, the data folder. That they work is
//! shown by `tests/image/run`.

use std::collections::BTreeSet;
use std::fs;

use qrstack::config::SETTINGS;

use crate::{run, text};

fn file(name: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The items of the list `key` of a YAML file.
fn list<'a>(yaml: &'a str, key: &str) -> Vec<&'a str> {
    let mark = format!("{key}:");
    let behind = yaml.lines().skip_while(|line| line.trim() != mark).skip(1);
    let items = behind.map(str::trim).filter(|line| !line.starts_with('#'));
    items.map_while(|line| line.strip_prefix("- ")).collect()
}

/// What `key` is set to, in YAML or by `ENV`.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let at = text.find(key).unwrap_or_else(|| panic!("{key}"));
    text[at + key.len()..].trim_start_matches([':', '=', ' ']).split_whitespace().next().unwrap_or_default()
}

fn port(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(_, port)| port)
}

#[test]
fn a_container_beside_the_server_reaches_it_by_every_name_that_it_answers_to() {
    let hosts = run(&["hosts"], &[]);
    let names: BTreeSet<_> = text(&hosts.stdout).lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let compose = file("compose.yaml");
    let aliases: BTreeSet<_> = list(&compose, "aliases").into_iter().collect();
    assert!(names.contains("api.weixin.qq.com"), "{names:?}");
    assert_eq!(aliases, names, "`qrstack hosts` prints them");
}

#[test]
fn every_variable_of_the_image_and_of_compose_is_a_setting() {
    let known: BTreeSet<_> = SETTINGS.iter().map(qrstack::config::Setting::variable).collect();
    for name in ["compose.yaml", "Dockerfile"] {
        let content = file(name);
        let is_part = |letter: char| letter.is_ascii_uppercase() || letter == '_';
        let told = content.match_indices("QRSTACK_").map(|(at, _)| {
            let end = content[at..].find(|letter| !is_part(letter)).map_or(content.len(), |length| at + length);
            &content[at..end]
        });
        let told: BTreeSet<_> = told.collect();
        assert!(!told.is_empty());
        for variable in told {
            assert!(known.contains(variable), "{variable} in {name}");
        }
    }
}

#[test]
fn ports_and_the_data_folder_are_the_same_wherever_they_stand() {
    let (dockerfile, compose) = (file("Dockerfile"), file("compose.yaml"));
    let ports = ["QRSTACK_LISTEN", "QRSTACK_TLS_LISTEN"];
    let exposed: Vec<_> =
        dockerfile.lines().find_map(|line| line.strip_prefix("EXPOSE ")).expect("it").split(' ').collect();
    assert_eq!(exposed, ports.map(|setting| port(value(&dockerfile, setting))));
    assert_eq!(value(&dockerfile, "VOLUME"), value(&dockerfile, "QRSTACK_DATA_DIR"));

    let published: Vec<_> = list(&compose, "ports").into_iter().map(port).collect();
    assert_eq!(published, ports.map(|setting| port(value(&compose, setting))));
    assert_eq!(value(&compose, "net.ipv4.ip_unprivileged_port_start"), "0", "they are below 1024");
    assert_eq!(list(&compose, "volumes"), [format!("data:{}", value(&dockerfile, "VOLUME"))]);

    // The image is built by the oldest tool chain that the manifest allows, or a later one.
    let manifest = file("Cargo.toml");
    let least = value(&manifest, "rust-version").trim_matches('"').to_owned();
    let image = value(&dockerfile, "ARG BUILD_IMAGE");
    assert!(image.contains(&format!(":{least}")), "{image} for {least}");
}
