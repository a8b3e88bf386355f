//! The vectors, asserted at every step.

use axum::http::Request;
use serde::Deserialize;

use super::*;
use crate::config::Config;
use crate::secret::Secret;

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    secret_id: String,
    secret_key: String,
    authorization: String,
    format_string: String,
    string_to_sign: String,
    sign_key: String,
    signature: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../../../fixtures/vectors/tencent_cos.json")).expect("a list of vectors")
}

fn request(vector: &Vector) -> Parts {
    let mut request = Request::builder().method(vector.method.as_str()).uri(&vector.target);
    for (name, value) in &vector.headers {
        request = request.header(name, value);
    }
    request.header("Authorization", &vector.authorization).body(()).expect("a request").into_parts().0
}

#[test]
fn every_step_of_every_vector_agrees() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 7);
    let config = Config::defaults();
    for vector in vectors {
        let name = &vector.name;
        let parts = request(&vector);
        let target = Target::parse(&parts.uri).expect("decodable");
        let (fields, unsigned) = authorization::find(&parts.headers, &target.pairs).expect("a signature");
        let authorization = Authorization::parse(&fields).expect("whole");
        assert_eq!(authorization.key_id, vector.secret_id, "{name}");

        let request = Signed {
            method: parts.method.as_str(),
            path: &target.path,
            parameters: Pairs::new(unsigned.iter().map(|(key, value)| (&**key, &**value))),
            headers: headers(&parts.headers),
        };
        let form = request.form(&authorization, Repeated::Last);
        let hosts = hosts(&parts, &config);
        let texts: Vec<_> = hosts.iter().map(|host| form.text(host)).collect();
        let signed = texts.iter().position(|text| *text == vector.format_string);
        let host = hosts[signed.unwrap_or_else(|| panic!("{name}: {texts:?}"))];

        let sign_time = authorization.sign_time.text;
        assert_eq!(form.string_to_sign(sign_time, host), vector.string_to_sign, "{name}");
        assert_eq!(canonical::sign_key(&vector.secret_key, authorization.key_time.text), vector.sign_key, "{name}");
        assert_eq!(canonical::signature(&vector.sign_key, &vector.string_to_sign), vector.signature, "{name}");

        let verify = |key: &str| {
            let credential = TencentCredential { id: vector.secret_id.clone(), key: Secret::new(key), token: None };
            form.strings_to_sign(sign_time, &hosts).any(|string| authorization.is_by(&credential, &string))
        };
        assert!(verify(&vector.secret_key), "{name}");
        assert!(!verify("another key"), "{name}");
    }
}

#[test]
fn our_own_signatures_are_the_sdks() {
    let vectors = vectors();
    let vector = vectors.iter().find(|vector| vector.name == "basic-qr").expect("a vector");
    let parameters = [
        ("ci-process", "qrcode-generate"),
        ("qrcode-content", "https://www.example.com"),
        ("width", "200"),
        ("mode", "0"),
    ];
    let host = "examplebucket-1250000000.cos.ap-beijing.myqcloud.com";
    let key = (vector.secret_id.as_str(), vector.secret_key.as_str());
    assert_eq!(sign_get(key, "1700000000;1700003660", &parameters, host), vector.authorization);
}

#[test]
fn keys_that_nobody_can_have_are_told_apart_from_unknown_ones() {
    let credential = TencentCredential { id: "has space".to_owned(), key: Secret::new("k"), token: None };
    let mut config = Config::defaults();
    config.tencent_credentials = vec![credential];
    let credentials = Credentials::new(&config);
    let judge = |key_id: &str| known(&credentials, key_id).map(|found| found[0].id.clone());
    assert_eq!(judge("has space"), Ok("has space".to_owned()));
    assert_eq!(judge("AKIDunknown"), Err(Error::UnknownKey));
    for key_id in ["", "has tab\t", "你", "a/b", &"a".repeat(129)] {
        assert_eq!(judge(key_id), Err(Error::MalformedKey), "{key_id:?}");
    }
}
