//! PURE: the thumbnail of a picture.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    metadata::Orientation,
};

use super::Bounds;

/// The largest file that a thumbnail is made of, in bytes.
pub const LONGEST_SOURCE: u64 = 32 * 1024 * 1024;
/// The longest edge that is decoded, in pixels.
const LONGEST_EDGE: u32 = 16_384;
/// The most memory that a picture may take while it is decoded, in bytes: 44 megapixels of
/// three, or 14 of what takes thrice as much.
const MOST_DECODED: u64 = 128 * 1024 * 1024;
/// Of 100.
const JPEG_QUALITY: u8 = 80;

/// Why there is no thumbnail.
#[derive(Debug, thiserror::Error)]
pub enum NotDrawn {
    /// It is no picture, of another format, or broken.
    #[error("not a picture that can be read: {0}")]
    Unreadable(#[from] ImageError),
    /// It would take too much memory to decode.
    #[error("the picture is too large")]
    TooLarge,
    /// The decoder has gone down over it.
    #[error("the decoder panicked")]
    Panicked,
}

/// Whether there are thumbnails of files of this MIME type.
#[must_use]
pub fn can_draw(mime_type: &str) -> bool {
    matches!(
        mime_type,
        "image/gif" | "image/jpeg" | "image/png" | "image/webp"
    )
}

/// The MIME type of a thumbnail that was drawn.
#[must_use]
pub fn media_type(thumbnail: &[u8]) -> &'static str {
    image::guess_format(thumbnail)
        .map_or("application/octet-stream", |format| format.to_mime_type())
}

/// A picture that fits into `bounds`: a JPEG, or a PNG when something of it is transparent.
/// It stands upright (EXIF orientation), is never larger than the original, has none of
/// its metadata, and of an animation the first frame. Takes a while: not for an async task.
///
/// # Errors
///
/// [`NotDrawn`] says why there is none.
pub(super) fn draw(picture: &[u8], bounds: Bounds) -> Result<Vec<u8>, NotDrawn> {
    let mut reader = ImageReader::new(Cursor::new(picture))
        .with_guessed_format()
        .map_err(ImageError::IoError)?;
    reader.limits(limits());
    let times = reader.format().map_or(1, |format| times(format, picture));
    let mut decoder = reader.into_decoder()?;
    if decoder.total_bytes().saturating_mul(times) > MOST_DECODED {
        return Err(NotDrawn::TooLarge);
    }
    // A picture with broken metadata is a picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let bounds = if lies(orientation) {
        bounds.on_its_side()
    } else {
        bounds
    };
    let mut small = shrink(DynamicImage::from_decoder(decoder)?, bounds);
    small.apply_orientation(orientation);
    encode(&small)
}

/// How many times the picture its decoder takes at most, with what it has beside it: a
/// progressive JPEG is collected as coefficients of two bytes, a WebP with its transparency.
fn times(format: ImageFormat, picture: &[u8]) -> u64 {
    match format {
        ImageFormat::WebP => 3,
        ImageFormat::Jpeg if is_progressive(picture) => 3,
        _ => 1,
    }
}

/// Whether a JPEG says so before its first scan; what cannot be read may be.
fn is_progressive(jpeg: &[u8]) -> bool {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    loop {
        rest = match rest {
            [0xff, 0xff, ..] => rest.get(1..).unwrap_or_default(),
            [0xff, 0xc2 | 0xc6 | 0xca | 0xce, ..] => return true,
            [0xff, 0xd9 | 0xda, ..] => return false,
            [0xff, 0x01 | 0xd0..=0xd7, after @ ..] => after,
            [0xff, 0xc0..=0xfe, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest.get(2 + length..).unwrap_or_default()
            }
            _ => return true,
        };
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_EDGE);
    limits.max_image_height = Some(LONGEST_EDGE);
    limits.max_alloc = Some(MOST_DECODED);
    limits
}

fn shrink(picture: DynamicImage, bounds: Bounds) -> DynamicImage {
    if picture.width() <= bounds.width && picture.height() <= bounds.height {
        return picture;
    }
    picture.thumbnail(bounds.width, bounds.height)
}

const fn lies(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

fn encode(picture: &DynamicImage) -> Result<Vec<u8>, NotDrawn> {
    let mut bytes = Vec::new();
    let is_clear = picture.color().has_alpha()
        && picture
            .to_rgba8()
            .pixels()
            .any(|pixel| pixel.0[3] < u8::MAX);
    if is_clear {
        picture
            .to_rgba8()
            .write_with_encoder(PngEncoder::new(&mut bytes))?;
    } else {
        picture
            .to_rgb8()
            .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
    }
    debug_assert!(
        image::guess_format(&bytes)
            .is_ok_and(|format| matches!(format, ImageFormat::Png | ImageFormat::Jpeg))
    );
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use image::{GenericImageView as _, Rgb, RgbImage, Rgba, RgbaImage};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SMALL: Bounds = Bounds {
        width: 64,
        height: 64,
    };

    /// Red on its left half, blue on its right.
    fn halves(width: u32, height: u32) -> DynamicImage {
        let red = |x, _| {
            Rgb(if x < width / 2 {
                [250, 0, 0]
            } else {
                [0, 0, 250]
            })
        };
        RgbImage::from_fn(width, height, red).into()
    }

    fn written(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn drawn(bytes: &[u8]) -> (DynamicImage, &'static str) {
        let thumbnail = draw(bytes, SMALL).unwrap();
        let kind = media_type(&thumbnail);
        (image::load_from_memory(&thumbnail).unwrap(), kind)
    }

    fn is_red(picture: &DynamicImage, x: u32, y: u32) -> bool {
        let Rgba([red, _, blue, _]) = picture.get_pixel(x, y);
        red > blue
    }

    #[test]
    fn each_format_fits_and_keeps_its_shape() {
        for format in [
            ImageFormat::Gif,
            ImageFormat::Jpeg,
            ImageFormat::Png,
            ImageFormat::WebP,
        ] {
            let (small, kind) = drawn(&written(&halves(640, 320), format));
            assert_eq!(
                (small.dimensions(), kind),
                ((64, 32), "image/jpeg"),
                "{format:?}"
            );
            assert!(is_red(&small, 10, 16) && !is_red(&small, 54, 16));
        }
    }

    #[test]
    fn what_is_transparent_stays_so() {
        let picture = RgbaImage::from_pixel(100, 100, Rgba([1, 2, 3, 100]));
        let (small, kind) = drawn(&written(&picture.into(), ImageFormat::Png));
        assert_eq!((small.dimensions(), kind), ((64, 64), "image/png"));
        assert_eq!(small.get_pixel(5, 5).0[3], 100);
        let opaque = RgbaImage::from_pixel(100, 100, Rgba([1, 2, 3, 255]));
        let (_, kind) = drawn(&written(&opaque.into(), ImageFormat::Png));
        assert_eq!(kind, "image/jpeg");
    }

    #[test]
    fn nothing_is_made_larger() {
        for (width, height) in [(1, 1), (20, 10), (64, 64)] {
            let (small, _) = drawn(&written(&halves(width, height), ImageFormat::Png));
            assert_eq!(small.dimensions(), (width, height));
        }
        let (thin, _) = drawn(&written(&halves(2, 9000), ImageFormat::Png));
        assert_eq!(thin.dimensions(), (1, 64));
    }

    /// A JPEG whose EXIF says: turn me by 90 degrees to the right.
    fn lying(picture: &DynamicImage) -> Vec<u8> {
        let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        let mut segment = b"Exif\0\0".to_vec();
        segment.append(&mut tiff);
        let length = u16::try_from(segment.len() + 2).unwrap().to_be_bytes();
        let jpeg = written(picture, ImageFormat::Jpeg);
        [&jpeg[..2], &[0xff, 0xe1], &length, &segment, &jpeg[2..]].concat()
    }

    #[test]
    fn it_stands_upright() {
        let (small, _) = drawn(&lying(&halves(640, 320)));
        assert_eq!(small.dimensions(), (32, 64));
        // What was left is above.
        assert!(is_red(&small, 16, 10) && !is_red(&small, 16, 54));
        let wide = Bounds {
            width: 320,
            height: 32,
        };
        let thumbnail = draw(&lying(&halves(640, 320)), wide).unwrap();
        let small = image::load_from_memory(&thumbnail).unwrap();
        assert_eq!(small.dimensions(), (16, 32));
    }

    #[test]
    fn a_bomb_is_not_decoded() {
        // A PNG of 16,000 by 16,000 that is all one colour, without its pixels.
        let mut png = written(&halves(1, 1), ImageFormat::Png);
        for (at, length) in [(16, 16_000_u32), (20, 16_000)] {
            png[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(matches!(
            draw(&png, SMALL),
            Err(NotDrawn::TooLarge | NotDrawn::Unreadable(ImageError::Limits(_)))
        ));
    }

    #[test]
    fn what_a_decoder_needs_beside_the_picture_counts() {
        let mut jpeg = written(&halves(8, 8), ImageFormat::Jpeg);
        assert!(!is_progressive(&jpeg));
        let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
        jpeg[frame + 1] = 0xc2;
        // Height, then width: 40 megapixels, which would be 120 MB.
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0x13, 0x88, 0x1f, 0x40]);
        assert!(is_progressive(&jpeg) && is_progressive(&jpeg[..frame]));
        assert!(matches!(draw(&jpeg, SMALL), Err(NotDrawn::TooLarge)));

        let mut webp = written(&halves(8, 8), ImageFormat::WebP);
        assert_eq!(&webp[12..16], b"VP8L");
        let edges = (6_600_u32 - 1) | (6_600 - 1) << 14;
        webp[21..25].copy_from_slice(&edges.to_le_bytes());
        assert!(matches!(draw(&webp, SMALL), Err(NotDrawn::TooLarge)));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }

    #[test]
    fn what_is_no_picture_is_not_drawn() {
        let png = written(&halves(10, 10), ImageFormat::Png);
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>".as_slice();
        for bytes in [
            b"".as_slice(),
            b"text",
            svg,
            &png[..png.len() / 2],
            &png[..20],
        ] {
            assert!(matches!(draw(bytes, SMALL), Err(NotDrawn::Unreadable(_))));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300), at in 0_usize..300, change in any::<u8>()) {
            let _ = draw(&bytes, SMALL);
            for format in [ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
                let mut picture = written(&halves(8, 8), format);
                let at = at % picture.len();
                picture[at] ^= change;
                let _ = draw(&picture, SMALL);
            }
        }
    }
}
