//! What was acknowledged stays: restarts, sudden ends, full disks, broken stores.

use crate::harness::{Check, check};
use crate::program::Program;

pub fn checks() -> Vec<Check> {
    vec![check(
        "F48",
        "after a restart a ticket has the same picture, byte by byte, and the token still counts",
        restart,
    )]
}

const TOKEN: &str =
    "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef";

fn restart() -> String {
    let program = Program::start(&[]);
    let token = field(&program.get(TOKEN).1, "access_token");
    let tickets: Vec<_> = (1..=10).map(|scene| create(&program, &token, scene)).collect();
    let pictures: Vec<_> = tickets.iter().map(|ticket| show(&program, ticket)).collect();
    let folder = program.folder();
    assert_eq!(program.terminate().code(), Some(0));

    let again = Program::start_in(folder, &[]);
    for (ticket, picture) in tickets.iter().zip(&pictures) {
        assert!(show(&again, ticket) == *picture, "another picture after the restart");
    }
    assert_eq!(create(&again, &token, 1), tickets[0], "the token counts and the scene has one ticket");
    format!("{} of {} pictures", pictures.len(), tickets.len())
}

/// The ticket of a permanent code.
fn create(program: &Program, token: &str, scene: u32) -> String {
    let body = format!(r#"{{"action_name":"QR_LIMIT_SCENE","action_info":{{"scene":{{"scene_id":{scene}}}}}}}"#);
    let head =
        format!("POST /cgi-bin/qrcode/create?access_token={token} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
    field(&String::from_utf8_lossy(&program.request(&head, &body).1), "ticket")
}

fn show(program: &Program, ticket: &str) -> Vec<u8> {
    let (status, picture) = program.request(&format!("GET /cgi-bin/showqrcode?ticket={ticket} HTTP/1.1\r\n"), "");
    assert_eq!(status, 200);
    picture
}

/// A text field of a JSON object.
fn field(object: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(object).unwrap_or_else(|error| panic!("{error}: {object}"));
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {object}")).to_owned()
}
