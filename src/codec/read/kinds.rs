//! Sets of symbologies.

use crate::codec::Kind;

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self((1 << Kind::ALL.len()) - 1);
    /// The QR family: QR Code, Micro QR Code and rMQR Code.
    pub const QR: Self = Self(1 << Kind::QrCode as u32 | 1 << Kind::MicroQrCode as u32 | 1 << Kind::RmqrCode as u32);

    /// Whether `kind` is in the set.
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }

    /// Whether the sets have a kind in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// All linear kinds.
    pub(super) fn linear() -> Self {
        Kind::ALL.into_iter().filter(|k| k.is_linear()).collect()
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<T: IntoIterator<Item = Kind>>(kinds: T) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Kinds = [Kind::Ean13, Kind::Aztec].into_iter().collect();
        assert!(set.contains(Kind::Aztec) && !set.contains(Kind::QrCode));
        assert!(set.meets(Kinds::linear()) && !set.meets(Kinds::QR));
        assert!(Kind::ALL.into_iter().all(|kind| Kinds::ALL.contains(kind)));
    }
}
