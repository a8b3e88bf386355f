//! Every failure of the two actions and of the gateway before them, in one table.

use std::borrow::Cow;

use super::VENDOR;
use super::action::Action;
use crate::codec::LoadError;
use crate::faults::{self, Asked, Failure, Failures, Phase};
use crate::fetch::FetchError;
use crate::intake::BodyError;
use crate::intake::form::FormError;
use crate::shared::{DecodeError, Shared};
use crate::store;
use crate::work::WorkError;

/// Calls a second that the action's page grants; what an overloaded reader answers with.
const DOCUMENTED_RATE: u64 = 5;

/// A name or value that a message repeats.
type Text = Cow<'static, str>;

/// What Tencent Cloud answers where it does not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the vendor's own names, which a reviewer finds again")]
pub(super) enum Error {
    /// A required parameter is absent: its name.
    MissingParameter(Text),
    /// A parameter has the wrong type: its name.
    InvalidParameter(Text),
    /// The body is not what its content type says.
    InvalidBody,
    /// A common parameter has a value that means nothing: its name as the request spells it.
    InvalidParameterValue(Text),
    /// A region where the action is not offered.
    UnsupportedRegion,
    /// An action that the service does not have.
    InvalidAction {
        /// As sent.
        action: Text,
        /// As sent.
        version: Text,
    },
    /// A version that the service does not have.
    NoSuchVersion(Text),
    /// A key that nobody has.
    SecretIdNotFound,
    /// The signature is wrong, or its date is not the day of the timestamp.
    SignatureFailure,
    /// An older signature over more than 1 MiB.
    SignatureOverSize,
    /// More than five minutes from the server's time.
    SignatureExpire,
    /// `Authorization` is absent or does not parse.
    InvalidAuthorization,
    /// A wrong or missing temporary token.
    TokenFailure,
    /// The key may not use the action.
    UnauthorizedOperation,
    /// A broken multipart body.
    InvalidRequest,
    /// A parameter that the action does not have: its name.
    UnknownParameter(Text),
    /// Too many calls.
    RequestLimitExceeded {
        /// In this second.
        calls: u64,
        /// A second.
        limit: u64,
    },
    /// The body or the address is too long.
    RequestSizeLimitExceeded,
    /// Neither `GET` nor `POST`.
    UnsupportedProtocol,
    /// Our own fault.
    InternalError,
    /// The picture's address cannot be fetched.
    DownLoadError,
    /// There is no picture, or it has no bytes.
    EmptyImageError,
    /// Never produced by itself.
    ImageBlur,
    /// The picture is no picture.
    ImageDecodeFailed,
    /// There is no code in the picture.
    ImageNoText,
    /// The picture has too many pixels.
    ImageSizeTooLarge,
    /// The reader died.
    OcrFailed,
    /// The catalogue cannot be asked.
    UnKnowError,
    /// The account has not activated the service.
    UnOpenError,
    /// Never produced by itself.
    EngineImageDecodeFailed,
    /// The bar code is no GTIN.
    InvalidGtinError,
    /// A parameter's value is out of what the action takes.
    InvalidParameterValueLimit,
    /// The picture has too many bytes.
    TooLargeFileError,
    /// The account's billing is in a state that forbids calls.
    ChargeStatusException,
}

/// Whose error it is; that also decides the language of its message.
///
/// Assumed: gateway messages are English unless `zh-CN` is asked for (both are seen in public logs), action messages
/// Chinese unless `en-US` is (the documented texts are Chinese).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// The gateway's, whatever the action.
    Gateway,
    /// An action's own: of one action, or of both.
    Action(Option<Action>),
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) code: &'static str,
    pub(super) english: Text,
    pub(super) chinese: Text,
    pub(super) voice: Voice,
}

fn gateway(code: &'static str, english: impl Into<Text>, chinese: impl Into<Text>) -> Row {
    Row { code, english: english.into(), chinese: chinese.into(), voice: Voice::Gateway }
}

fn action(of: Option<Action>, code: &'static str, english: &'static str, chinese: &'static str) -> Row {
    Row { code, english: english.into(), chinese: chinese.into(), voice: Voice::Action(of) }
}

impl Error {
    /// More pictures or large bodies than there is room for.
    pub(super) const OVERLOADED: Self =
        Self::RequestLimitExceeded { calls: DOCUMENTED_RATE + 1, limit: DOCUMENTED_RATE };

    /// Every error once, with an example of what its message repeats.
    pub(super) const ALL: [Self; 34] = [
        Self::MissingParameter(Cow::Borrowed("Region")),
        Self::InvalidParameter(Cow::Borrowed("Nonce")),
        Self::InvalidBody,
        Self::InvalidParameterValue(Cow::Borrowed("Region")),
        Self::UnsupportedRegion,
        Self::InvalidAction { action: Cow::Borrowed("Foo"), version: Cow::Borrowed(super::action::VERSION) },
        Self::NoSuchVersion(Cow::Borrowed("2019-07-22")),
        Self::SecretIdNotFound,
        Self::SignatureFailure,
        Self::SignatureOverSize,
        Self::SignatureExpire,
        Self::InvalidAuthorization,
        Self::TokenFailure,
        Self::UnauthorizedOperation,
        Self::InvalidRequest,
        Self::UnknownParameter(Cow::Borrowed("Foo")),
        Self::OVERLOADED,
        Self::RequestSizeLimitExceeded,
        Self::UnsupportedProtocol,
        Self::InternalError,
        Self::DownLoadError,
        Self::EmptyImageError,
        Self::ImageBlur,
        Self::ImageDecodeFailed,
        Self::ImageNoText,
        Self::ImageSizeTooLarge,
        Self::OcrFailed,
        Self::UnKnowError,
        Self::UnOpenError,
        Self::EngineImageDecodeFailed,
        Self::InvalidGtinError,
        Self::InvalidParameterValueLimit,
        Self::TooLargeFileError,
        Self::ChargeStatusException,
    ];

    /// Code, message in both languages, whose it is.
    ///
    /// Documented: all codes ("Common Error Codes" and the lists of the two actions) and the Chinese texts of the
    /// actions. Recorded: a text marked so stands in public logs or issues of the real service. Assumed: a text marked
    /// so is ours, in the vendor's style.
    #[expect(clippy::too_many_lines, reason = "one row an error is the point of a table")]
    pub(super) fn row(&self) -> Row {
        const OCR: Option<Action> = Some(Action::QrcodeOcr);
        const BAR_CODE: Option<Action> = Some(Action::QueryBarCode);
        const BOTH: Option<Action> = None;
        match self {
            // Recorded in English; Chinese assumed.
            Self::MissingParameter(name) => gateway(
                "MissingParameter",
                format!("The request is missing a required parameter `{name}`."),
                format!("缺少参数 `{name}`。"),
            ),
            // Recorded in English; Chinese assumed.
            Self::InvalidParameter(name) => gateway(
                "InvalidParameter",
                format!("Parameter `{name}` type error."),
                format!("参数 `{name}` 类型错误。"),
            ),
            // Assumed: the recorded pattern, with the word that the documented text about multipart bodies has.
            Self::InvalidBody => gateway("InvalidParameter", "Parameter `body` type error.", "参数 `body` 类型错误。"),
            // Recorded in English; Chinese assumed.
            Self::InvalidParameterValue(name) => gateway(
                "InvalidParameterValue",
                format!("A value specified in `{name}` is not valid, is unsupported, or cannot be used."),
                format!("参数 `{name}` 的取值无效、不受支持或无法使用。"),
            ),
            // Recorded in English; Chinese assumed.
            Self::UnsupportedRegion => {
                gateway("UnsupportedRegion", "The action not support this region.", "接口不支持所传地域。")
            }
            // Recorded in English; Chinese assumed.
            Self::InvalidAction { action, version } => gateway(
                "InvalidAction",
                format!(
                    "The request action=`{action}` is invalid or not found in service=`ocr` and version=`{version}`."
                ),
                format!("请求的 action=`{action}` 在 service=`ocr` 和 version=`{version}` 中无效或不存在。"),
            ),
            // Recorded in English (of another service); Chinese assumed.
            Self::NoSuchVersion(version) => gateway(
                "NoSuchVersion",
                format!("The specified api version=`{version}` does not exist in service=`ocr`."),
                format!("指定的接口版本 version=`{version}` 在 service=`ocr` 中不存在。"),
            ),
            // Recorded in both languages.
            Self::SecretIdNotFound => gateway(
                "AuthFailure.SecretIdNotFound",
                "The SecretId is not found, please ensure that your SecretId is correct.",
                "SecretId不存在，请输入正确的密钥。",
            ),
            // Recorded in both languages, documented in English.
            Self::SignatureFailure => gateway(
                "AuthFailure.SignatureFailure",
                "The provided credentials could not be validated. Please check your signature is correct.",
                "请求签名验证失败，请检查您的签名计算是否正确。",
            ),
            // Recorded in English; Chinese assumed.
            Self::SignatureOverSize => gateway(
                "AuthFailure.SignatureFailure",
                "The provided credentials could not be validated because of exceeding request size limit, please use \
                 new signature method `TC3-HMAC-SHA256`.",
                "请求包超过限制大小，签名验证失败，请使用新的签名方法 `TC3-HMAC-SHA256`。",
            ),
            // Recorded in English; the second Chinese sentence is assumed.
            Self::SignatureExpire => gateway(
                "AuthFailure.SignatureExpire",
                "The signature is expired, please request again.",
                "签名过期。Timestamp 和服务器时间相差不得超过五分钟，请检查本地时间是否和标准时间同步。",
            ),
            // Documented in Chinese; English assumed, and so the four below.
            Self::InvalidAuthorization => gateway(
                "AuthFailure.InvalidAuthorization",
                "The Authorization header is invalid.",
                "请求头部的 Authorization 不符合腾讯云标准。",
            ),
            Self::TokenFailure => gateway("AuthFailure.TokenFailure", "The token is invalid.", "token 错误。"),
            Self::UnauthorizedOperation => {
                gateway("AuthFailure.UnauthorizedOperation", "The request is not authorized.", "请求未授权。")
            }
            Self::InvalidRequest => gateway(
                "InvalidRequest",
                "The multipart format of the request body is wrong.",
                "请求 body 的 multipart 格式错误。",
            ),
            Self::UnknownParameter(name) => {
                gateway("UnknownParameter", format!("The parameter `{name}` is not recognized."), "未知参数错误")
            }
            // Recorded in English; Chinese assumed.
            Self::RequestLimitExceeded { calls, limit } => gateway(
                "RequestLimitExceeded",
                format!(
                    "Your current request times equals to `{calls}` in a second, which exceeds the frequency limit \
                     `{limit}` for a second. Please reduce the frequency of calls."
                ),
                format!("您当前每秒请求 `{calls}` 次，超过了每秒频率上限 `{limit}` 次，请降低调用频率。"),
            ),
            // Documented in Chinese; English assumed, and so the two below.
            Self::RequestSizeLimitExceeded => gateway(
                "RequestSizeLimitExceeded",
                "The size of the request exceeds the limit.",
                "请求包超过限制大小。",
            ),
            Self::UnsupportedProtocol => gateway(
                "UnsupportedProtocol",
                "The HTTP(S) protocol of the request is wrong: only GET and POST are supported.",
                "http(s) 请求协议错误，只支持 GET 和 POST 请求。",
            ),
            Self::InternalError => gateway("InternalError", "Internal error.", "内部错误。"),

            // The actions' own. Documented in Chinese; English assumed.
            Self::DownLoadError => {
                action(OCR, "FailedOperation.DownLoadError", "Failed to download the file.", "文件下载失败。")
            }
            Self::EmptyImageError => {
                action(OCR, "FailedOperation.EmptyImageError", "The image is empty.", "图片内容为空。")
            }
            Self::ImageBlur => action(OCR, "FailedOperation.ImageBlur", "The image is blurred.", "图片模糊。"),
            Self::ImageDecodeFailed => {
                action(OCR, "FailedOperation.ImageDecodeFailed", "Failed to decode the image.", "图片解码失败。")
            }
            Self::ImageNoText => {
                action(OCR, "FailedOperation.ImageNoText", "No text is detected in the image.", "图片中未检测到文本。")
            }
            Self::ImageSizeTooLarge => action(
                OCR,
                "FailedOperation.ImageSizeTooLarge",
                "The image dimensions are too large.",
                "图片尺寸过大，请参考输出参数中关于图片大小限制的说明。",
            ),
            Self::OcrFailed => action(OCR, "FailedOperation.OcrFailed", "OCR failed.", "OCR 识别失败。"),
            Self::UnKnowError => action(BOTH, "FailedOperation.UnKnowError", "Unknown error.", "未知错误。"),
            Self::UnOpenError => {
                action(BOTH, "FailedOperation.UnOpenError", "The service is not activated.", "服务未开通。")
            }
            Self::EngineImageDecodeFailed => {
                action(OCR, "InvalidParameter.EngineImageDecodeFailed", "Failed to decode the image.", "图片解码失败。")
            }
            Self::InvalidGtinError => {
                action(BAR_CODE, "InvalidParameter.InvalidGTINError", "Invalid GTIN.", "无效的 GTIN。")
            }
            Self::InvalidParameterValueLimit => action(
                BOTH,
                "InvalidParameterValue.InvalidParameterValueLimit",
                "Invalid parameter value.",
                "参数值错误。",
            ),
            Self::TooLargeFileError => {
                action(OCR, "LimitExceeded.TooLargeFileError", "The file is too large.", "文件内容太大。")
            }
            Self::ChargeStatusException => {
                action(BOTH, "ResourcesSoldOut.ChargeStatusException", "Abnormal billing status.", "计费状态异常。")
            }
        }
    }

    /// How it is asked for.
    fn fault(&self) -> String {
        faults::name(self, &Self::ALL, |error| error.row().code)
    }

    /// Fails where a fault strikes a call of `action` at this phase.
    pub(super) fn strike(
        shared: &Shared,
        action: Action,
        credential: Option<&str>,
        phase: Phase<'_>,
    ) -> Result<(), Self> {
        let asked = Asked { vendor: VENDOR.name, operation: action.name(), credential };
        let Some(fault) = shared.fault(asked, phase) else { return Ok(()) };
        Self::ALL.into_iter().find(|error| error.fault() == fault).map_or(Ok(()), Err)
    }

    /// Whether `action` can give it.
    fn is_of(&self, action: Action) -> bool {
        match self.row().voice {
            Voice::Gateway | Voice::Action(None) => true,
            Voice::Action(Some(owner)) => owner == action,
        }
    }
}

pub(super) fn failures() -> Vec<Failures> {
    let failure = |error: &Error| {
        let Row { code, english, chinese, voice } = error.row();
        // What a client is told that asks for no language.
        let message = if voice == Voice::Gateway { english } else { chinese };
        let about_sender = code.starts_with("AuthFailure.");
        Failure {
            fault: error.fault(),
            code: code.to_owned(),
            status: 200,
            message: message.into_owned(),
            about_sender,
        }
    };
    let of = |action: Action| {
        let failures = Error::ALL.iter().filter(|error| error.is_of(action)).map(failure).collect();
        Failures { operation: action.name(), content: action.content(), failures }
    };
    Action::ALL.map(of).into()
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { .. } => Self::RequestSizeLimitExceeded,
            BodyError::Broken(_) => Self::InvalidBody,
            BodyError::NoRoom => Self::OVERLOADED,
        }
    }
}

impl From<FormError> for Error {
    fn from(error: FormError) -> Self {
        match error {
            FormError::NoBoundary | FormError::Broken(_) | FormError::TooManyParts => Self::InvalidRequest,
        }
    }
}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::BadUrl(_) => Self::InvalidParameterValueLimit,
            FetchError::TooLarge { .. } => Self::TooLargeFileError,
            FetchError::Overloaded => Self::RequestLimitExceeded { calls: DOCUMENTED_RATE + 1, limit: DOCUMENTED_RATE },
            FetchError::Refused { .. }
            | FetchError::Port { .. }
            | FetchError::Off
            | FetchError::Ourselves { .. }
            | FetchError::Unreachable(_)
            | FetchError::TooSlow
            | FetchError::Status(_)
            | FetchError::Redirects
            | FetchError::Encoded(_) => Self::DownLoadError,
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Load(LoadError::Empty) => Self::EmptyImageError,
            DecodeError::Load(LoadError::TooManyBytes { .. }) => Self::TooLargeFileError,
            DecodeError::Load(LoadError::SideTooLong { .. } | LoadError::TooManyPixels { .. }) => {
                Self::ImageSizeTooLarge
            }
            DecodeError::Load(LoadError::UnknownFormat | LoadError::Broken { .. }) => Self::ImageDecodeFailed,
            DecodeError::Work(WorkError::Overloaded { .. }) => Self::OVERLOADED,
            DecodeError::Work(WorkError::Died) => Self::OcrFailed,
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        store::note_failure(&error);
        Self::UnKnowError
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn each_code_stands_once_but_for_two_known_pairs() {
        let codes: BTreeSet<_> = Error::ALL.iter().map(|error| error.row().code).collect();
        assert_eq!(codes.len(), Error::ALL.len() - 2);
    }

    #[test]
    fn every_error_speaks_both_languages() {
        for error in Error::ALL {
            let row = error.row();
            let is_chinese = |text: &str| text.chars().any(|character| ('一'..='龥').contains(&character));
            assert!(is_chinese(&row.chinese) && !is_chinese(&row.english), "{row:?}");
        }
    }

    #[test]
    fn each_action_has_its_own_failures_and_no_others() {
        let [ocr, bar_code]: [Failures; 2] = failures().try_into().expect("two actions");
        let has = |of: &Failures, code: &str| of.failures.iter().any(|failure| failure.code == code);
        assert_eq!((ocr.operation, ocr.failures.len()), ("QrcodeOCR", 33));
        assert_eq!((bar_code.operation, bar_code.failures.len()), ("QueryBarCode", 25));
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':');
        for of in [&ocr, &bar_code] {
            let names: HashSet<_> = of.failures.iter().map(|failure| failure.fault.as_str()).collect();
            assert_eq!(names.len(), of.failures.len(), "{names:?}");
            assert!(names.iter().all(|name| name.chars().all(is_of_name)), "{names:?}");
        }
        assert!(!has(&bar_code, "FailedOperation.ImageBlur"));
        assert!(!has(&ocr, "InvalidParameter.InvalidGTINError"));
    }

    #[test]
    fn every_failure_beneath_has_its_code() {
        let work = |error| Error::from(DecodeError::Work(error));
        let load = |error| Error::from(DecodeError::Load(error));
        for (found, expected) in [
            (work(WorkError::Died), "FailedOperation.OcrFailed"),
            (work(WorkError::Overloaded { waiting: 1 }), "RequestLimitExceeded"),
            (load(LoadError::Empty), "FailedOperation.EmptyImageError"),
            (load(LoadError::TooManyBytes { limit: 1, found: 2 }), "LimitExceeded.TooLargeFileError"),
            (load(LoadError::SideTooLong { limit: 1, width: 2, height: 1 }), "FailedOperation.ImageSizeTooLarge"),
            (load(LoadError::TooManyPixels { limit: 1, found: 2 }), "FailedOperation.ImageSizeTooLarge"),
            (load(LoadError::UnknownFormat), "FailedOperation.ImageDecodeFailed"),
            (load(LoadError::Broken { format: "PNG", reason: String::new() }), "FailedOperation.ImageDecodeFailed"),
            (FetchError::BadUrl(String::new()).into(), "InvalidParameterValue.InvalidParameterValueLimit"),
            (FetchError::TooLarge { limit: 1 }.into(), "LimitExceeded.TooLargeFileError"),
            (FetchError::TooSlow.into(), "FailedOperation.DownLoadError"),
            (FetchError::Redirects.into(), "FailedOperation.DownLoadError"),
            (FetchError::Status(404).into(), "FailedOperation.DownLoadError"),
            (store::Error::Closed.into(), "FailedOperation.UnKnowError"),
            (FormError::NoBoundary.into(), "InvalidRequest"),
            (BodyError::TooLarge { limit: 1 }.into(), "RequestSizeLimitExceeded"),
        ] {
            assert_eq!(found.row().code, expected, "{found:?}");
        }
    }
}
