//! The rows: every threat and fault by number, and how it stands.

/// A threat or fault.
pub struct Row {
    pub id: &'static str,
    pub threat: &'static str,
    pub standing: Standing,
}

/// How a row stands.
#[allow(dead_code, reason = "not every standing has a row at all times")]
pub enum Standing {
    /// Checks of this run prove it, once there are any.
    Here,
    /// Tests elsewhere prove it: file and function.
    By(&'static [(&'static str, &'static str)]),
    /// It cannot happen to what is built so far, and why.
    Elsewhere(&'static str),
}

use Standing::{By, Elsewhere, Here};

const RELOAD: &str = "needs settings that change while the server runs; they are read once, at the start";
const SQLITE: &str = "needs a second kind of store, and SQLite is the only one";

/// All rows in order.
pub const ROWS: &[Row] = &[
    row("F1", "IP literal private/loopback/link-local/metadata", Here),
    row("F2", "decimal/octal/hex/short/Unicode digits", Here),
    row(
        "F3",
        "IPv4-mapped/compatible, 6to4, NAT64 wk+local, Teredo, ISATAP, fec0, 2001:db8, zone ids",
        By(&[("src/fetch/guard.rs", "only_public_addresses_pass")]),
    ),
    row("F4", "redirect to private; chain; https->http; `Location: //`, relative, `file:`, `gopher:`; loop", Here),
    row("F5", "DNS rebinding (public then 127.0.0.1), mixed A/AAAA, CNAME to private, TTL 0", Here),
    row("F6", "userinfo, `\\`, `#@`, CRLF in URL, port 0/65536, odd ports", Here),
    row("F7", "fetch own listeners/admin (self-connection) incl. via container IP and public name", Here),
    row("F8", "env proxies bypass (HTTP_PROXY set)", Here),
    row("F9", "`file:`, `data:`, `ftp:`, `unix:`, upper-case scheme", Here),
    row("F10", "origin never answers / 1 byte per s / stalls at 99 %", Here),
    row("F11", "endless chunked, lying Content-Length (short/long), missing length", Here),
    row("F12", "gzip/br/deflate/zstd body bomb; double encoding", Here),
    row("F13", "origin TLS bad/expired; HTTP/2 oddities; 1xx flood; 100k headers", Here),
    row("F14", "PNG bomb 60000x60000x1bit (437 kB) / 8k 16-bit RGBA (498 kB)", Here),
    row(
        "F15",
        "WebP lossless 16383^2 in **34 bytes** and GIF 16000^2 (both measured), BMP negative/huge, JPEG 65500^2 (not measured)",
        Here,
    ),
    row("F16", "legal-size worst case: 16000x16000 1-bit PNG (31 kB) passes a 256 MiB limit: 254 MB RSS, 0.37 s", Here),
    row(
        "F17",
        "JPEG progressive scan bomb (207 kB, 200 scans at 49 Mpx: 1.3 s CPU before zune's 100-scan limit)",
        By(&[("tests/codec/hostile.rs", "a_jpeg_of_very_many_scans_does_not_keep_the_decoder_busy")]),
    ),
    row("F18", "PNG zTXt/iTXt/iCCP bomb", Here),
    row("F19", "animated GIF/WebP/APNG many frames", Here),
    row("F20", "truncated / bit-flipped / empty / 1x1 / 0 dim / CMYK / 16-bit / EXIF-rotated", Here),
    row("F21", "polyglots & wrong type (HTML/SVG/ZIP/PDF as .jpg; JPEG+ZIP)", Here),
    row("F22", "decoder panic (rqrr)", Here),
    row(
        "F23",
        "decoder memory bug (C++): zxing-cpp #572 (DataMatrix), #1076/#1082 (PDF417 2026-03), fuzz builds #1071",
        Here,
    ),
    row("F24", "decoder time bomb: noise, checkerboard, grid of finders, 140 codes, \"1M codes\" sheet", Here),
    row(
        "F25",
        "XML special characters, control characters, lone surrogates, NUL, `]]>`, BOM, 0xFFFE in content",
        By(&[("src/providers/tencent_cos/wire/answer.rs", "every_text_reads_back_but_for_what_xml_lacks")]),
    ),
    row("F26", "JSON answers: invalid UTF-8 payloads (Shift-JIS, GBK, binary QR), U+2028, `</script>` in UI", Here),
    row("F27", "header injection by ticket, request id, content, `X-Request-Id` passthrough", Here),
    row(
        "F28",
        "log injection / terminal escapes / log forging",
        By(&[("src/cli/logging.rs", "nothing_that_is_repeated_forges_a_line_or_steers_a_terminal")]),
    ),
    row("F29", "secrets in logs, journal, UI, metrics labels, panic text, crash dump", Here),
    row(
        "F30",
        "signature replay inside window; expiry; future; skew +-5 min edges; `q-key-time` vs `q-sign-time`; TC3 date vs timestamp across midnight UTC",
        By(&[
            ("tests/api/tencent_cos/signatures.rs", "times_hold_to_the_second"),
            ("tests/api/tencent_ocr/limits.rs", "the_clock_may_be_off_by_five_minutes"),
            ("src/providers/tencent_ocr/auth/tc3.rs", "the_date_is_the_day_in_utc"),
        ]),
    ),
    row(
        "F31",
        "canonicalisation abuse: duplicate query keys, header case/space, `+` vs `%20`, `%2F`, empty values, unsigned extra params, unicode",
        By(&[
            ("src/providers/tencent_cos/auth/tests.rs", "every_step_of_every_vector_agrees"),
            ("tests/api/tencent_cos/signatures.rs", "repeated_keys_are_signed_once_or_all_of_them"),
            ("tests/api/tencent_cos/signatures.rs", "listed_keys_that_are_absent_count_as_empty"),
            ("tests/api/tencent_cos/signatures.rs", "what_the_lists_do_not_name_is_not_signed"),
            ("src/providers/tencent_ocr/auth/tc3.rs", "every_step_agrees_with_the_recorded_vectors"),
            ("src/providers/tencent_ocr/auth/v1.rs", "every_step_agrees_with_the_recorded_vectors"),
            ("tests/api/tencent_ocr/errors.rs", "changed_bytes_and_swapped_parts_are_refused"),
        ]),
    ),
    row("F32", "timing leak on MAC/token/admin key", By(&[("src/secret.rs", "a_secret_matches_itself_alone")])),
    row("F33", "token brute force / enumeration; ticket guess", Here),
    row("F34", "admin API reachable by the tested app or a browser page (CSRF, DNS rebinding on `localhost`)", Here),
    row(
        "F35",
        "multipart abuse: 10^5 parts, 1 MB part header, no boundary, nested, missing filename, name=`img[]`, unfinished, 2 MiB+1",
        Here,
    ),
    row(
        "F36",
        "JSON depth/size, duplicate keys, huge numbers, BOM, NaN, base64 with newline/url-safe/`data:` prefix",
        Here,
    ),
    row(
        "F37",
        "Content-Length + Transfer-Encoding, obs-fold, bare LF, absolute-form, 64 kB URL, 10^4 headers, bad Host, HTTP/0.9",
        Here,
    ),
    row("F38", "slow-loris four kinds (partial header, silent, idle keep-alive, dribble)", Here),
    row("F39", "slow body upload; slow reader of our answer", Here),
    row("F40", "connection flood, fd exhaustion (EMFILE), TLS handshake flood", Here),
    row("F41", "overload: N x capacity", Here),
    row("F42", "HTTP/2 rapid reset, CONTINUATION flood, MadeYouReset (if h2 enabled)", Here),
    row("F43", "client leaves mid-decode", Here),
    row(
        "F44",
        "bucket/appid/Host abuse: `../`, `%2e%2e`, `a.b.cos`, 300-char labels, IDN, port suffix, upper case, IP host, absent Host",
        Here,
    ),
    row(
        "F45",
        "`kill -9` at random points during ticket/token/journal writes (1,000 rounds, SQLite WAL + Postgres)",
        Here,
    ),
    row("F46", "disk full, read-only dir, quota, EIO, fsync error", Here),
    row("F47", "store corrupted / newer schema / two processes on one file", Here),
    row("F48", "restart: tickets still valid, expiry counted by the same clock; token overlap 5 min", Here),
    row(
        "F49",
        "3 replicas behind round robin on Postgres: create on A, show on B; token refresh race; journal order",
        Elsewhere(SQLITE),
    ),
    row("F50", "database gone / slow / failover", Elsewhere(SQLITE)),
    row(
        "F51",
        "clock jump back/forward (NTP), DST, leap second, year 2038, `expire_seconds` 0/1/2592000/+1/negative/float/string",
        Here,
    ),
    row("F52", "graceful stop: SIGTERM with in-flight, idle keep-alive, open SSE", Here),
    row("F53", "config reload (SIGHUP / file) valid, invalid, partial; cert rotation", Elsewhere(RELOAD)),
    row("F54", "journal as memory bomb", Here),
    row("F55", "metric label explosion by path/appid/code text", Here),
    row("F56", "CA key theft / misuse", Here),
    row("F57", "CONNECT proxy as open relay", Here),
    row("F58", "supply chain: crate yanked/advisory, build script network, unsigned image", Here),
    row(
        "F59",
        "encode abuse: width 1..10^6, negative, content 10 kB/empty/beyond v40, mode=2, barcode with non-ASCII",
        Here,
    ),
    row("F60", "webhook push to user's callback (scan simulation) is an SSRF exit too", Here),
];

const fn row(id: &'static str, threat: &'static str, standing: Standing) -> Row {
    Row { id, threat, standing }
}
