//! Commands for `qrstack example`. Both take the stable token, which leaves the tokens of others as they are.

use crate::shell;
use crate::vendor::{Example, ExampleContext};

pub(super) const SCAN: Example =
    Example { name: "wechat-scan", about: "make a code, fetch its picture and read it", command: scan };

pub(super) const CREATE: Example =
    Example { name: "wechat-create", about: "make a code that lives a week", command: create };

fn scan(context: &ExampleContext<'_>) -> String {
    format!(
        "{}\nTICKET=$({} | sed {})\ncurl -s \"{base}/cgi-bin/showqrcode?ticket=$TICKET\" |\n  \
         curl -s \"{base}/cv/img/qrcode?access_token=$TOKEN\" -F 'img=@-;filename=code.jpg'",
        token(context),
        post(context),
        shell::word(r#"s/.*"ticket":"\([^"]*\)".*/\1/"#),
        base = context.base,
    )
}

fn create(context: &ExampleContext<'_>) -> String {
    format!("{}\n{}", token(context), post(context))
}

/// Sets `TOKEN`.
fn token(context: &ExampleContext<'_>) -> String {
    let (appid, secret) =
        context.config.wechat_apps.first().map_or(("", ""), |app| (app.appid.as_str(), app.secret.expose()));
    let body = serde_json::json!({ "grant_type": "client_credential", "appid": appid, "secret": secret });
    format!(
        "TOKEN=$(curl -s {}/cgi-bin/stable_token \\\n  -d {} |\n  sed {})",
        context.base,
        shell::word(&body.to_string()),
        shell::word(r#"s/.*"access_token":"\([^"]*\)".*/\1/"#),
    )
}

/// Creates a code with `TOKEN`.
fn post(context: &ExampleContext<'_>) -> String {
    let body = r#"{"expire_seconds":604800,"action_name":"QR_SCENE","action_info":{"scene":{"scene_id":123}}}"#;
    format!("curl -s \"{}/cgi-bin/qrcode/create?access_token=$TOKEN\" \\\n  -d {}", context.base, shell::word(body))
}
