//! Pictures made to harm, and the three doors that read pictures.

use axum::http::Method;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tempfile::TempDir;

use crate::canary::Door;
use crate::support::{Answer, Server, request};

/// A server that wants no credentials, and a file that stands in for a remote picture.
pub struct Reader {
    pub server: Server,
    folder: TempDir,
}

impl Reader {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stand_in = format!("http://pictures.test/a={}", folder.path().join("a").display());
        let server = Server::with(&[("auth", "open"), ("fetch_stand_ins", &stand_in)]).await;
        Self { server, folder }
    }

    /// What a door answers to a picture.
    pub async fn read(&self, door: Door, picture: &[u8]) -> Answer {
        let request = match door {
            Door::Wechat => {
                let head =
                    "Content-Disposition: form-data; name=\"img\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg";
                let body = [format!("--b\r\n{head}\r\n\r\n").as_bytes(), picture, b"\r\n--b--\r\n"].concat();
                let headers = [("Content-Type", "multipart/form-data; boundary=b")];
                request(Method::POST, "/cv/img/qrcode", &headers, body)
            }
            Door::TencentOcr => {
                let headers = [
                    ("X-TC-Action", "QrcodeOCR"),
                    ("X-TC-Version", "2018-11-19"),
                    ("X-TC-Region", "ap-guangzhou"),
                    ("Content-Type", "application/json"),
                ];
                let body = json!({ "ImageBase64": BASE64_STANDARD.encode(picture) });
                request(Method::POST, "/", &headers, body.to_string())
            }
            Door::CliIm => {
                std::fs::write(self.folder.path().join("a"), picture).expect("written");
                return door.fetch(&self.server, "http://pictures.test/a").await;
            }
        };
        self.server.send(request).await
    }
}

/// The texts in a successful answer, in the order of the vendor.
pub fn texts(door: Door, answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let (list, field) = match door {
        Door::Wechat => (&json["code_results"], "data"),
        Door::TencentOcr => (&json["Response"]["CodeResults"], "Url"),
        Door::CliIm => return vec![json["data"]["content"].as_str().expect("a content").to_owned()],
    };
    let list = list.as_array().unwrap_or_else(|| panic!("no list in {json}"));
    list.iter().map(|item| item[field].as_str().expect("a text").to_owned()).collect()
}

/// A PNG that has no more than a header.
pub fn png_header(width: u32, height: u32, depth: u8, colours: u8) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([depth, colours, 0, 0, 0]);
    [b"\x89PNG\r\n\x1a\n\0\0\0\r", &chunk[..], &check_sum(&chunk).to_be_bytes()].concat()
}

fn check_sum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

/// A PNG of one value.
pub fn plain_png(width: u32, height: u32, depth: png::BitDepth, colours: png::ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colours);
    encoder.set_depth(depth);
    encoder.set_compression(png::Compression::Fastest);
    let row = (width as usize * colours.samples() * depth as usize).div_ceil(8);
    let mut writer = encoder.write_header().expect("memory");
    let mut stream = writer.stream_writer().expect("memory");
    for _ in 0..height {
        std::io::Write::write_all(&mut stream, &vec![0xFF; row]).expect("memory");
    }
    stream.finish().expect("memory");
    writer.finish().expect("memory");
    bytes
}

/// A grey PNG, a byte a pixel.
pub fn grey_png(width: u32, height: u32, pixel: impl Fn(u32, u32) -> u8) -> Vec<u8> {
    let pixels: Vec<_> = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).expect("memory");
    bytes
}

/// A WebP of these chunks.
pub fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, content) in chunks {
        body.extend(*name);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend(*content);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// A GIF with one frame in one colour, which is not all there.
pub fn gif(screen: u16, frame: u16) -> Vec<u8> {
    let [screen, frame] = [screen, frame].map(u16::to_le_bytes);
    let colours = [0x80, 0, 0, 0, 0, 0, 255, 255, 255, b',', 0, 0, 0, 0];
    [b"GIF89a", &screen[..], &screen, &colours, &frame, &frame, &[0, 2, 2, 0x44, 1, 0, b';']].concat()
}

/// A BMP that has no more than headers.
pub fn bmp(width: i32, height: i32) -> Vec<u8> {
    let sizes = [width.to_le_bytes(), height.to_le_bytes()].concat();
    [b"BM", &[0; 8][..], &[54, 0, 0, 0, 40, 0, 0, 0], &sizes, &[1, 0, 24, 0], &[0; 24]].concat()
}

/// A JPEG that has no more than headers.
pub fn jpeg(side: u16) -> Vec<u8> {
    let side = side.to_be_bytes();
    [&[0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8], &side[..], &side, &[1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]]
        .concat()
}
