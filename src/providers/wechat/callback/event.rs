//! The message that tells a scan.
//!
//! Documented: "Receive event messages", section on scans of parameter codes; "Message encryption and decryption".

use crate::simulator::Mode;

/// What a user did with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// He follows the account from then on.
    Subscribe,
    /// He followed it before.
    Scan,
}

impl Kind {
    /// `Event`. Documented, capitals included.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Scan => "SCAN",
        }
    }

    /// What stands before the scene.
    fn prefix(self) -> &'static str {
        match self {
            Self::Subscribe => "qrscene_",
            Self::Scan => "",
        }
    }
}

/// A scan.
#[derive(Clone, Debug)]
pub(in super::super) struct Event {
    /// The account's original id.
    pub(in super::super) to: String,
    /// The user.
    pub(in super::super) openid: String,
    /// Unix seconds. With the user it tells repeats apart from other events; repeats have the same.
    pub(in super::super) created: i64,
    pub(in super::super) kind: Kind,
    pub(in super::super) scene: String,
    pub(in super::super) ticket: String,
}

impl Event {
    /// The message in the clear.
    pub(in super::super) fn xml(&self) -> String {
        format!(
            "<xml><ToUserName>{}</ToUserName>\n<FromUserName>{}</FromUserName>\n<CreateTime>{}</CreateTime>\n\
             <MsgType><![CDATA[event]]></MsgType>\n<Event>{}</Event>\n<EventKey>{}</EventKey>\n\
             <Ticket>{}</Ticket>\n</xml>",
            cdata(&self.to),
            cdata(&self.openid),
            self.created,
            cdata(self.kind.name()),
            cdata(&format!("{}{}", self.kind.prefix(), self.scene)),
            cdata(&self.ticket),
        )
    }

    /// The body of the push, where `encrypted` is the message encrypted.
    pub(in super::super) fn body(&self, mode: Mode, encrypted: Option<&str>) -> String {
        let (clear, encrypted) = (self.xml(), encrypted.unwrap_or_default());
        match mode {
            Mode::Plain => clear,
            Mode::Compatible => {
                let clear = clear.strip_suffix("</xml>").unwrap_or(&clear);
                format!("{clear}<Encrypt>{}</Encrypt>\n</xml>", cdata(encrypted))
            }
            Mode::Security => format!(
                "<xml>\n    <ToUserName>{}</ToUserName>\n    <Encrypt>{}</Encrypt>\n</xml>\n",
                cdata(&self.to),
                cdata(encrypted)
            ),
        }
    }
}

/// A text as CDATA, whatever it holds. XML 1.0 has no way to write most control characters; they become U+FFFD.
fn cdata(text: &str) -> String {
    let lacking = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    let text: String = text.chars().map(|c| if lacking(c) { '\u{fffd}' } else { c }).collect();
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::providers::wechat::callback::crypto::AesKey;

    #[derive(Deserialize)]
    struct Vectors {
        bodies: Vec<Body>,
    }

    #[derive(Deserialize)]
    struct Body {
        message: String,
        body: String,
    }

    #[test]
    fn messages_agree_with_the_vectors_byte_for_byte() {
        let text = include_str!("../../../../fixtures/vectors/wechat.json");
        let vectors: Vectors = serde_json::from_str(text).expect("vectors");
        assert_eq!(vectors.bodies.len(), 2);
        let key = AesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").expect("a key");
        for (kind, vector) in [Kind::Scan, Kind::Subscribe].into_iter().zip(vectors.bodies) {
            let event = Event {
                to: "gh_0123456789ab".to_owned(),
                openid: "oEMU_0123456789abcdefghijkl".to_owned(),
                created: 1_700_000_000,
                kind,
                scene: "123".to_owned(),
                ticket:
                    "gQFR7zwAAAAAAAAAAS5odHRwOi8vd2VpeGluLnFxLmNvbS9xLzAyVGVzdFRlbXBDb2RlMVp6Xy14eTkAAgQA8VNlAwSAOgkA"
                        .to_owned(),
            };
            assert_eq!(event.xml(), vector.message);
            let encrypted = key.encrypt(*b"0123456789abcdef", &event.xml(), "wx0123456789abcdef");
            assert_eq!(event.body(Mode::Security, Some(&encrypted)), vector.body);
            assert_eq!(event.body(Mode::Plain, None), vector.message);
            let both = event.body(Mode::Compatible, Some(&encrypted));
            assert!(both.starts_with(vector.message.trim_end_matches("</xml>")), "{both}");
            assert!(both.ends_with(&format!("<Encrypt><![CDATA[{encrypted}]]></Encrypt>\n</xml>")), "{both}");
        }
    }

    #[test]
    fn no_scene_breaks_the_message() {
        assert_eq!(cdata("a]]>b"), "<![CDATA[a]]]]><![CDATA[>b]]>");
        assert_eq!(cdata("\u{1}<&>你"), "<![CDATA[\u{fffd}<&>你]]>");
    }
}
