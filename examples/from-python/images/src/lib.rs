//! The crate image as a component: what a picture is, and a smaller one.

use exports::example::images::resize::{About, Format, Guest};
use image::imageops::FilterType;
use image::{ImageFormat, ImageReader, Limits};
use std::io::Cursor;

wit_bindgen::generate!({ path: "wit", world: "images" });

struct Images;
export!(Images);

impl Guest for Images {
    fn inspect(picture: Vec<u8>) -> Result<About, String> {
        let reader = open(&picture)?;
        let format = match reader.format() {
            Some(ImageFormat::Jpeg) => Format::Jpeg,
            _ => Format::Png,
        };
        let (width, height) = reader.into_dimensions().map_err(|e| e.to_string())?;
        Ok(About { format, width, height })
    }

    fn thumbnail(picture: Vec<u8>, width: u32, height: u32, store_as: Format) -> Result<Vec<u8>, String> {
        if width == 0 || height == 0 {
            return Err("a picture is at least one pixel wide and high".into());
        }
        let whole = open(&picture)?.decode().map_err(|e| e.to_string())?;
        let small = whole.resize(width, height, FilterType::Triangle);
        let mut out = Cursor::new(Vec::new());
        match store_as {
            Format::Png => small.write_to(&mut out, ImageFormat::Png),
            // It has no transparency.
            Format::Jpeg => small.to_rgb8().write_to(&mut out, ImageFormat::Jpeg),
        }
        .map_err(|e| e.to_string())?;
        Ok(out.into_inner())
    }
}

/// Looks at the first bytes; no picture may ask for more memory than a large photograph.
fn open(picture: &[u8]) -> Result<ImageReader<Cursor<&[u8]>>, String> {
    let mut reader = ImageReader::new(Cursor::new(picture)).with_guessed_format().map_err(|e| e.to_string())?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err("this is neither a PNG nor a JPEG".into());
    }
    reader.limits(Limits::default());
    Ok(reader)
}
