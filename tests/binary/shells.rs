//! What `qrstack env` prints, read by the shells and runtimes that it is for.

use std::fs;
use std::process::Command;

use crate::program::qrstack;
use crate::text;
use crate::tls::has;

/// A folder's name with everything in it that a shell, Java or PHP might take for something else.
const FOLDER: &str = r#"it's a "folder", $HOME, ${HOME}, `a`, a\b\\ ;(é) ’"#;

/// Shells: the program, its arguments, and the commands that read the variables and pass them on.
const SHELLS: [(&str, &[&str], &str); 5] = [
    ("sh", &["-c"], r#"eval "$("$PROGRAM" env)"; env -0"#),
    ("bash", &["-c"], r#"eval "$("$PROGRAM" env)"; env -0"#),
    ("zsh", &["-f", "-c"], r#"eval "$("$PROGRAM" env)"; env -0"#),
    ("fish", &["--no-config", "-c"], r"$PROGRAM env --shell fish | source; env -0"),
    (
        "pwsh",
        &["-NoProfile", "-Command"],
        "& $env:PROGRAM env --shell powershell | Out-String | Invoke-Expression; env -0",
    ),
];

/// A runtime: what asks it for the folder that it was told, where it is there.
const RUNTIMES: [(&str, &[&str]); 2] = [
    ("java", &["-XshowSettings:properties", "-version"]),
    ("php", &["-r", r#"echo ini_get("openssl.cafile"), "\n", ini_get("curl.cainfo"), "\n";"#]),
];

#[test]
fn every_shell_and_runtime_takes_the_variables_as_they_are_meant() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join(FOLDER);
    fs::create_dir(&folder).expect("made");
    let data = folder.display().to_string();
    let trust = folder.canonicalize().expect("there").join("trust").display().to_string();
    let with_settings = |program: &str| {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").expect("a path")).env("HOME", place.path());
        command.env("LC_ALL", "C.UTF-8");
        command.env("PROGRAM", qrstack().get_program()).env("QRSTACK_DATA_DIR", &data);
        command
    };
    let (mut shells, mut first) = (0, None);
    for (shell, arguments, commands) in SHELLS {
        if !has(shell) {
            eprintln!("skipped: there is no {shell} on this machine");
            continue;
        }
        let output = with_settings(shell).args(arguments).arg(commands).output().expect("the shell runs");
        assert!(output.status.success(), "{shell}: {}", text(&output.stderr));
        let all: Vec<_> = text(&output.stdout).split('\0').filter_map(|line| line.split_once('=')).collect();
        let of = |name: &str| all.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value).to_owned();
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
            assert_eq!(of(name), format!("{trust}/bundle.pem"), "{shell}, {name}");
        }
        assert_eq!(of("NODE_EXTRA_CA_CERTS"), format!("{trust}/ca.pem"), "{shell}");
        assert_eq!(of("HTTPS_PROXY"), "http://127.0.0.1:8080", "{shell}");
        let told = ["JAVA_TOOL_OPTIONS", "PHP_INI_SCAN_DIR"].map(|name| (name, of(name)));
        assert_eq!(*first.get_or_insert(told.clone()), told, "{shell}");
        shells += 1;
    }
    for (runtime, arguments) in RUNTIMES {
        if !has(runtime) {
            eprintln!("skipped: there is no {runtime} on this machine");
            continue;
        }
        let told = first.clone().expect("there is a shell");
        let output = with_settings(runtime).args(arguments).envs(told).output().expect("the runtime runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let file = if runtime == "java" { "javax.net.ssl.trustStore = " } else { "" };
        let store = if runtime == "java" { "bundle.p12" } else { "bundle.pem" };
        assert!(said.contains(&format!("{file}{trust}/{store}\n")), "{runtime}: {said}");
    }
    eprintln!("{shells} of {} shells", SHELLS.len());
}
