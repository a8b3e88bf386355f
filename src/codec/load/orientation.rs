//! EXIF orientation: how a stored picture is turned to be displayed.

use super::super::Point;

/// The eight ways in which a picture may be stored, by what displays it upright (EXIF 2.32, tag 0x0112).
///
/// Loading does not apply it: all coordinates are those of the picture as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orientation {
    /// 1: displayed as stored.
    #[default]
    Upright,
    /// 2: left and right change places.
    MirroredHorizontally,
    /// 3: turned by 180°.
    Rotated180,
    /// 4: top and bottom change places.
    MirroredVertically,
    /// 5: rows become columns.
    Transposed,
    /// 6: turned by 90° clockwise.
    Rotated90,
    /// 7: rows become columns, then turned by 180°.
    Transversed,
    /// 8: turned by 270° clockwise.
    Rotated270,
}

impl Orientation {
    /// The orientation of an EXIF value; what is not 1 to 8 means upright.
    pub fn from_exif(value: u16) -> Self {
        match value {
            2 => Self::MirroredHorizontally,
            3 => Self::Rotated180,
            4 => Self::MirroredVertically,
            5 => Self::Transposed,
            6 => Self::Rotated90,
            7 => Self::Transversed,
            8 => Self::Rotated270,
            _ => Self::Upright,
        }
    }

    /// Width and height as displayed, of a picture stored as `w` × `h` pixels.
    pub fn displayed_size(self, w: u32, h: u32) -> (u32, u32) {
        match self {
            Self::Upright | Self::MirroredHorizontally | Self::Rotated180 | Self::MirroredVertically => (w, h),
            Self::Transposed | Self::Rotated90 | Self::Transversed | Self::Rotated270 => (h, w),
        }
    }

    /// Where `point` of a picture stored as `w` × `h` pixels lies in the picture as displayed.
    pub fn to_displayed(self, point: Point, w: u32, h: u32) -> Point {
        let Point { x, y } = point;
        let (right, up) = (w as f32 - x, h as f32 - y);
        let (x, y) = match self {
            Self::Upright => (x, y),
            Self::MirroredHorizontally => (right, y),
            Self::Rotated180 => (right, up),
            Self::MirroredVertically => (x, up),
            Self::Transposed => (y, x),
            Self::Rotated90 => (up, x),
            Self::Transversed => (up, right),
            Self::Rotated270 => (y, right),
        };
        Point { x, y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_go_where_exif_says() {
        // By the standard's words on which side of the displayed picture the stored first row and first column are:
        // for each value, where the stored corner (0, 0) of a 30 × 20 picture, and (30, 0), are displayed.
        for (value, origin, top_right) in [
            (1, (0.0, 0.0), (30.0, 0.0)),
            (2, (30.0, 0.0), (0.0, 0.0)),
            (3, (30.0, 20.0), (0.0, 20.0)),
            (4, (0.0, 20.0), (30.0, 20.0)),
            (5, (0.0, 0.0), (0.0, 30.0)),
            (6, (20.0, 0.0), (20.0, 30.0)),
            (7, (20.0, 30.0), (20.0, 0.0)),
            (8, (0.0, 30.0), (0.0, 0.0)),
        ] {
            let orientation = Orientation::from_exif(value);
            let displayed = |x, y| {
                let point = orientation.to_displayed(Point { x, y }, 30, 20);
                (point.x, point.y)
            };
            assert_eq!(displayed(0.0, 0.0), origin, "{value}");
            assert_eq!(displayed(30.0, 0.0), top_right, "{value}");
            assert_eq!(orientation.displayed_size(30, 20), if value < 5 { (30, 20) } else { (20, 30) }, "{value}");
        }
        for value in [0, 9, u16::MAX] {
            assert_eq!(Orientation::from_exif(value), Orientation::Upright);
        }
    }
}
