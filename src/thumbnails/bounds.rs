//! PURE: how large a thumbnail may be.

/// The lengths that a thumbnail's bounds have, in pixels: each picture has few
/// thumbnails, whatever sizes pages ask for.
pub const STEPS: [u32; 10] = [32, 48, 64, 96, 160, 240, 320, 480, 640, 1280];

/// What a thumbnail has to fit into, in pixels; both are of [`STEPS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// At most so wide.
    pub width: u32,
    /// At most so high.
    pub height: u32,
}

impl Bounds {
    /// Reads `WxH`, two whole numbers above zero, and takes each down to a step: what is
    /// asked for is never exceeded, unless it is smaller than the smallest.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (width, height) = text.split_once('x')?;
        Some(Self {
            width: step(width)?,
            height: step(height)?,
        })
    }

    /// Where such a thumbnail of a picture is kept.
    #[must_use]
    pub fn name(self) -> String {
        format!("{}x{}", self.width, self.height)
    }

    /// With width and height changed over: of a picture that lies on its side.
    #[must_use]
    pub(super) const fn on_its_side(self) -> Self {
        Self {
            width: self.height,
            height: self.width,
        }
    }
}

fn step(digits: &str) -> Option<u32> {
    let is_number = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let length: u32 = is_number.then(|| digits.parse().ok()).flatten()?;
    let fitting = STEPS.iter().rev().find(|step| **step <= length);
    (length > 0).then(|| *fitting.unwrap_or(&STEPS[0]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_taken_down_to_steps() {
        for (text, name) in [
            ("1x1", "32x32"),
            ("32x32", "32x32"),
            ("63x64", "48x64"),
            ("100x100", "96x96"),
            ("320x240", "320x240"),
            ("1279x1280", "640x1280"),
            ("99999x999999999", "1280x1280"),
            ("0320x0240", "320x240"),
        ] {
            assert_eq!(Bounds::parse(text).map(Bounds::name).as_deref(), Some(name));
        }
    }

    #[test]
    fn anything_else_is_no_size() {
        for text in [
            "",
            "x",
            "10",
            "10x",
            "x10",
            "0x10",
            "10x0",
            "-1x10",
            "+1x10",
            "10X10",
            "10x10x10",
            " 10x10",
            "10 x10",
            "1e3x10",
            "1.5x10",
            "٣x٣",
            "4294967296x10",
            "10×10",
        ] {
            assert_eq!(Bounds::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bounds_are_steps_and_never_more_than_asked(width in 32_u32..100_000, height in 32_u32..100_000) {
            let bounds = Bounds::parse(&format!("{width}x{height}")).unwrap();
            prop_assert!(STEPS.contains(&bounds.width) && STEPS.contains(&bounds.height));
            prop_assert!(bounds.width <= width && bounds.height <= height);
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = Bounds::parse(&text);
        }
    }
}
