//! `/cgi-bin/qrcode/create`: the four actions, what each needs, and the answer.

use serde::Serialize;
use serde_json::Value;

use super::Fields;
use crate::providers::wechat::error::Error;
use crate::providers::wechat::store::codes::Made;
use crate::providers::wechat::ticket;

/// Seconds that a temporary code lives where the request says nothing.
///
/// Documented: "Generate QR code with parameters"; an older page says 30.
const DEFAULT_SECONDS: u32 = 60;
/// Seconds that a temporary code lives at most: 30 days. Documented.
const MAX_SECONDS: u32 = 2_592_000;
/// The largest scene of a permanent code. Documented.
const MAX_PERMANENT_SCENE: u64 = 100_000;
/// Characters of a text scene. Documented: 1 to 64; Assumed: characters, not bytes, since Chinese scenes are common.
const MAX_TEXT_SCENE: usize = 64;

/// `action_name`. Documented, exact case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Action {
    Number,
    Text,
    PermanentNumber,
    PermanentText,
}

impl Action {
    const ALL: [Self; 4] = [Self::Number, Self::Text, Self::PermanentNumber, Self::PermanentText];

    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Number => "QR_SCENE",
            Self::Text => "QR_STR_SCENE",
            Self::PermanentNumber => "QR_LIMIT_SCENE",
            Self::PermanentText => "QR_LIMIT_STR_SCENE",
        }
    }

    pub(in super::super) const fn is_permanent(self) -> bool {
        match self {
            Self::Number | Self::Text => false,
            Self::PermanentNumber | Self::PermanentText => true,
        }
    }
}

/// What a code stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Scene {
    pub(in super::super) action: Action,
    /// As scan events show it: a number in decimal, or the text itself.
    pub(in super::super) value: String,
}

/// A request that is in order.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Create {
    pub(in super::super) scene: Scene,
    /// Seconds to live; `None` for ever.
    pub(in super::super) expire_seconds: Option<u32>,
}

impl Create {
    /// Reads the fields `action_name`, `expire_seconds` and `action_info.scene.{scene_id, scene_str}`; the scene that does
    /// not belong to the action is ignored, and so is the time of a permanent code. `long_text` lifts the limit of
    /// temporary text scenes.
    pub(in super::super) fn read(fields: &Fields, long_text: bool) -> Result<Self, Error> {
        let action = fields.get("action_name").and_then(Value::as_str);
        let action = action.and_then(|name| Action::ALL.into_iter().find(|action| action.name() == name));
        let action = action.ok_or(Error::InvalidActionName)?;
        let expire_seconds =
            if action.is_permanent() { None } else { Some(seconds(present(fields, "expire_seconds"))?) };
        let info = fields.get("action_info").and_then(Value::as_object).ok_or(Error::InvalidActionInfo)?;
        let scene = match present(info, "scene") {
            None => None,
            Some(scene) => Some(scene.as_object().ok_or(Error::InvalidActionInfo)?),
        };
        let field = |key| scene.and_then(|scene| present(scene, key));
        let value = match action {
            Action::Number => temporary_number(field("scene_id"))?.to_string(),
            Action::PermanentNumber => permanent_number(field("scene_id"))?.to_string(),
            Action::Text => text(field("scene_str"), if long_text { usize::MAX } else { MAX_TEXT_SCENE })?,
            Action::PermanentText => text(field("scene_str"), MAX_TEXT_SCENE)?,
        };
        Ok(Self { scene: Scene { action, value }, expire_seconds })
    }
}

/// A field that is there; `null` counts as absent, since serialisers write it for what the caller left out.
fn present<'a>(fields: &'a Fields, key: &str) -> Option<&'a Value> {
    fields.get(key).filter(|value| !value.is_null())
}

/// Assumed: 0 and negative times count as none, longer ones are cut (a real ticket of 2017 shows that they are no error).
fn seconds(value: Option<&Value>) -> Result<u32, Error> {
    match value.map(whole) {
        Some(None) => Err(Error::DataFormat),
        None | Some(Some(Whole::Negative | Whole::Positive(0))) => Ok(DEFAULT_SECONDS),
        Some(Some(Whole::Positive(seconds))) => {
            Ok(u32::try_from(seconds).map_or(MAX_SECONDS, |seconds| seconds.min(MAX_SECONDS)))
        }
    }
}

/// Documented: 32 bits, not zero. Recorded: none at all counts as 0, larger ones show as the largest in events.
fn temporary_number(value: Option<&Value>) -> Result<u64, Error> {
    match value.map(whole) {
        None => Ok(0),
        Some(None | Some(Whole::Negative | Whole::Positive(0))) => Err(Error::InvalidActionInfo),
        Some(Some(Whole::Positive(number))) => Ok(number.min(u64::from(u32::MAX))),
    }
}

/// Documented: 1 to 100 000.
fn permanent_number(value: Option<&Value>) -> Result<u64, Error> {
    match value.and_then(whole) {
        Some(Whole::Positive(number @ 1..=MAX_PERMANENT_SCENE)) => Ok(number),
        Some(Whole::Positive(_) | Whole::Negative) | None => Err(Error::InvalidActionInfo),
    }
}

fn text(value: Option<&Value>, most: usize) -> Result<String, Error> {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    // No store but SQLite takes a NUL.
    if (1..=most).contains(&text.chars().count()) && !text.contains('\0') {
        Ok(text.to_owned())
    } else {
        Err(Error::InvalidActionInfo)
    }
}

/// A whole number; what does not fit counts as the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Negative,
    Positive(u64),
}

/// Recorded: numbers in texts are taken. Languages that know floats alone write `1800.0`.
fn whole(value: &Value) -> Option<Whole> {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            Some(if float < 0.0 { Whole::Negative } else { Whole::Positive(number.as_u64().unwrap_or(float as u64)) })
        }
        Value::String(text) => {
            let text = text.trim();
            let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let number = || Whole::Positive(digits.parse().unwrap_or(u64::MAX));
            is_number.then(|| if negative { Whole::Negative } else { number() })
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The answer.
///
/// Documented: keys in this order. Recorded: permanent codes have no `expire_seconds` (several published answers).
#[derive(Serialize)]
pub(in super::super) struct Created {
    ticket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_seconds: Option<u32>,
    url: String,
}

impl Created {
    pub(in super::super) fn new(made: Made, expire_seconds: Option<u32>) -> Self {
        Self { url: ticket::url(&made.code), ticket: made.ticket, expire_seconds }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value, long_text: bool) -> Result<(String, Option<u32>), Error> {
        let fields = body.as_object().expect("an object");
        Create::read(fields, long_text).map(|create| (create.scene.value, create.expire_seconds))
    }

    fn scene(action: &str, scene: &Value) -> Result<String, Error> {
        read(&json!({ "action_name": action, "action_info": { "scene": scene } }), false).map(|(value, _)| value)
    }

    #[test]
    fn the_action_is_one_of_four_in_exact_case() {
        for name in [json!("QR_SCENE "), json!("qr_scene"), json!(""), json!(null), json!(1), json!("QR_CARD")] {
            assert_eq!(read(&json!({ "action_name": name }), false), Err(Error::InvalidActionName), "{name}");
        }
        assert_eq!(read(&json!({}), false), Err(Error::InvalidActionName));
        for action in Action::ALL {
            assert_eq!(read(&json!({ "action_name": action.name() }), false), Err(Error::InvalidActionInfo));
            for info in [json!(null), json!("x"), json!([]), json!({ "scene": 7 }), json!({ "scene": [] })] {
                let body = json!({ "action_name": action.name(), "action_info": info });
                assert_eq!(read(&body, false), Err(Error::InvalidActionInfo), "{action:?} {info}");
            }
        }
    }

    #[test]
    fn a_temporary_number_is_any_of_32_bits_but_zero() {
        let bad = Err(Error::InvalidActionInfo);
        let good = |text: &str| Ok(text.to_owned());
        for (id, expected) in [
            (json!(1), good("1")),
            (json!(4_294_967_295_u64), good("4294967295")),
            (json!(4_294_967_296_u64), good("4294967295")),
            (json!(1e30), good("4294967295")),
            (json!("123"), good("123")),
            (json!(" 0123 "), good("123")),
            (json!("99999999999999999999999"), good("4294967295")),
            (json!(123.0), good("123")),
            (json!(null), good("0")),
            (json!(0), bad.clone()),
            (json!("0"), bad.clone()),
            (json!(-1), bad.clone()),
            (json!("-1"), bad.clone()),
            (json!(1.5), bad.clone()),
            (json!("1.5"), bad.clone()),
            (json!("abc"), bad.clone()),
            (json!(""), bad.clone()),
            (json!(true), bad.clone()),
            (json!([1]), bad),
        ] {
            assert_eq!(scene("QR_SCENE", &json!({ "scene_id": id, "scene_str": "x" })), expected, "{id}");
        }
        let without = |info: &Value| read(&json!({ "action_name": "QR_SCENE", "action_info": info }), false);
        for info in [json!({}), json!({ "scene": null }), json!({ "scene": {} }), json!({ "scene_id": 5 })] {
            assert_eq!(without(&info), Ok(("0".to_owned(), Some(60))));
        }
    }

    #[test]
    fn a_permanent_number_is_one_to_a_hundred_thousand() {
        for (id, expected) in [
            (json!(1), Some("1")),
            (json!(100_000), Some("100000")),
            (json!("100000"), Some("100000")),
            (json!(100_001), None),
            (json!(0), None),
            (json!(-1), None),
            (json!("x"), None),
            (json!(null), None),
        ] {
            let found = scene("QR_LIMIT_SCENE", &json!({ "scene_id": id, "scene_str": "x" }));
            assert_eq!(found.ok().as_deref(), expected, "{id}");
        }
        let body = json!({ "action_name": "QR_LIMIT_SCENE", "action_info": {}, "expire_seconds": "never" });
        assert_eq!(read(&body, false), Err(Error::InvalidActionInfo), "a permanent code has no time to be wrong");
    }

    #[test]
    fn a_text_has_one_to_64_characters() {
        for action in ["QR_STR_SCENE", "QR_LIMIT_STR_SCENE"] {
            for (text, expected) in [
                (json!("a"), true),
                (json!("渠".repeat(64)), true),
                (json!("渠".repeat(65)), false),
                (json!(""), false),
                (json!(null), false),
                (json!(1), false),
                (json!("a\0b"), false),
            ] {
                let found = scene(action, &json!({ "scene_id": 1, "scene_str": text }));
                assert_eq!(found.is_ok(), expected, "{action} {text}");
            }
            let long = json!({ "action_name": action, "action_info": { "scene": { "scene_str": "a".repeat(100) } } });
            assert_eq!(read(&long, true).is_ok(), action == "QR_STR_SCENE", "{action}");
        }
    }

    #[test]
    fn the_time_is_granted_within_bounds() {
        for (asked, expected) in [
            (json!(null), Ok(60)),
            (json!(0), Ok(60)),
            (json!(-5), Ok(60)),
            (json!(1), Ok(1)),
            (json!(2_592_000), Ok(2_592_000)),
            (json!(2_592_001), Ok(2_592_000)),
            (json!(1e20), Ok(2_592_000)),
            (json!("604800"), Ok(604_800)),
            (json!(1800.0), Ok(1800)),
            (json!(1.5), Err(Error::DataFormat)),
            (json!("soon"), Err(Error::DataFormat)),
            (json!([60]), Err(Error::DataFormat)),
        ] {
            let body = json!({ "action_name": "QR_SCENE", "action_info": {}, "expire_seconds": asked });
            assert_eq!(read(&body, false), expected.map(|seconds| ("0".to_owned(), Some(seconds))), "{asked}");
        }
    }
}
