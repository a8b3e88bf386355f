//! The two actions: their names, where they are offered, what they take.

use super::error::Error;
use crate::config::Config;

/// The version of the API that has both actions.
pub(super) const VERSION: &str = "2018-11-19";

/// An operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    QrcodeOcr,
    QueryBarCode,
}

impl Action {
    pub(super) const ALL: [Self; 2] = [Self::QrcodeOcr, Self::QueryBarCode];

    /// As on the wire. Assumed: compared with case; the SDKs send it as the page spells it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::QrcodeOcr => "QrcodeOCR",
            Self::QueryBarCode => "QueryBarCode",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Documented: the parameters of the action pages.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::QrcodeOcr => &["ImageBase64", "ImageUrl"],
            Self::QueryBarCode => &["BarCode"],
        }
    }

    /// The parameters that hold a text which the call is about.
    pub(super) fn content(self) -> &'static [&'static str] {
        match self {
            Self::QrcodeOcr => &["ImageUrl"],
            Self::QueryBarCode => &["BarCode"],
        }
    }

    /// Documented: the regions of the action pages.
    fn regions(self) -> &'static [&'static str] {
        match self {
            Self::QrcodeOcr => &["ap-beijing", "ap-guangzhou"],
            Self::QueryBarCode => &["ap-beijing", "ap-guangzhou", "ap-hongkong", "ap-shanghai", "na-toronto"],
        }
    }

    /// Documented: `Region` is a required common parameter of QrcodeOCR and an optional one of QueryBarCode.
    fn needs_region(self) -> bool {
        match self {
            Self::QrcodeOcr => true,
            Self::QueryBarCode => false,
        }
    }

    /// Whether the action can be called in `region`. `parameter` is how the request spells the parameter's name.
    pub(super) fn check_region(
        self,
        region: Option<&str>,
        parameter: &'static str,
        config: &Config,
    ) -> Result<(), Error> {
        match region {
            None if self.needs_region() => Err(Error::MissingParameter("Region".into())),
            None => Ok(()),
            Some(_) if config.ocr_any_region => Ok(()),
            Some(region) if self.regions().contains(&region) => Ok(()),
            Some(region) if is_region_like(region) => Err(Error::UnsupportedRegion),
            Some(_) => Err(Error::InvalidParameterValue(parameter.into())),
        }
    }
}

/// `ap-guangzhou`, `ap-shenzhen-fsi`, `na-siliconvalley`: two letters, then one or more words.
fn is_region_like(name: &str) -> bool {
    let mut words = name.split('-');
    let area = words.next().unwrap_or_default();
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let mut rest = words.peekable();
    area.len() == 2 && area.bytes().all(|b| b.is_ascii_lowercase()) && rest.peek().is_some() && rest.all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_has_its_own_regions() {
        use Action::{QrcodeOcr, QueryBarCode};
        let missing = || Err(Error::MissingParameter("Region".into()));
        let invalid = || Err(Error::InvalidParameterValue("X-TC-Region".into()));
        let config = Config::defaults();
        for (action, region, expected) in [
            (QrcodeOcr, Some("ap-guangzhou"), Ok(())),
            (QrcodeOcr, Some("ap-beijing"), Ok(())),
            (QrcodeOcr, Some("ap-shanghai"), Err(Error::UnsupportedRegion)),
            (QrcodeOcr, Some("ap-shenzhen-fsi"), Err(Error::UnsupportedRegion)),
            (QrcodeOcr, None, missing()),
            (QrcodeOcr, Some(""), invalid()),
            (QueryBarCode, Some("na-toronto"), Ok(())),
            (QueryBarCode, Some("ap-hongkong"), Ok(())),
            (QueryBarCode, Some("eu-frankfurt"), Err(Error::UnsupportedRegion)),
            (QueryBarCode, None, Ok(())),
            (QueryBarCode, Some(""), invalid()),
            (QueryBarCode, Some("guangzhou"), invalid()),
            (QueryBarCode, Some("ap-"), invalid()),
            (QueryBarCode, Some("AP-Guangzhou"), invalid()),
            (QueryBarCode, Some("ap_guangzhou"), invalid()),
        ] {
            assert_eq!(action.check_region(region, "X-TC-Region", &config), expected, "{action:?} {region:?}");
        }
    }

    #[test]
    fn any_region_is_a_setting() {
        let mut config = Config::defaults();
        config.ocr_any_region = true;
        for region in ["eu-frankfurt", "Mars", ""] {
            assert_eq!(Action::QrcodeOcr.check_region(Some(region), "Region", &config), Ok(()), "{region}");
        }
    }
}
