//! Bytes of a symbol to text, where the symbol does not say which character set they are in.
//!
//! UTF-8 where the bytes are valid UTF-8; nothing else looks like it by chance. Otherwise each candidate is asked how
//! many bits a writer of its language would need for these bytes ([`score`]), and the cheapest one wins: texts in codes
//! are short, and a detector made for web pages (which counts pairs of characters) has little to go by in four bytes.

mod common;
mod score;

use encoding_rs::{BIG5, EUC_KR, Encoding, GB18030, SHIFT_JIS, WINDOWS_1252};

/// Tells that UTF-8 follows, and is not part of the text.
const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// The text that `bytes` most likely spell: UTF-8 if valid (a byte order mark at its head is dropped), else the likeliest
/// of GB18030, Big5, Shift-JIS, EUC-KR and Windows-1252, else Latin-1, which carries every byte as the character of
/// the same number.
pub(crate) fn guess(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).to_owned();
    }
    likeliest(bytes)
        .and_then(|encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes))
        .map_or_else(|| bytes.iter().map(|&byte| char::from(byte)).collect(), std::borrow::Cow::into_owned)
}

/// How many bits a candidate needs; `None` where nobody writes such bytes in it.
type Bits = fn(&[u8]) -> Option<u32>;

/// The candidate that needs the fewest bits; `None` for what is no text in any of them.
fn likeliest(bytes: &[u8]) -> Option<&'static Encoding> {
    let candidates: [(_, Bits); 5] = [
        (GB18030, |bytes| Some(score::gb18030(bytes))),
        (BIG5, |bytes| Some(score::big5(bytes))),
        (SHIFT_JIS, |bytes| Some(score::shift_jis(bytes))),
        (EUC_KR, |bytes| Some(score::euc_kr(bytes))),
        (WINDOWS_1252, score::windows_1252),
    ];
    candidates
        .into_iter()
        .filter(|(encoding, _)| encoding.decode_without_bom_handling_and_without_replacement(bytes).is_some())
        .filter_map(|(encoding, score)| Some((score(bytes)?, encoding)))
        .min_by_key(|&(bits, _)| bits)
        .map(|(_, encoding)| encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as codes carry them, two to thirty characters.
    const SIMPLIFIED: &[&str] = &[
        "你好",
        "中国",
        "测试",
        "茶叶",
        "喜茶",
        "张三",
        "欧阳修",
        "诸葛亮",
        "司马懿",
        "咖啡",
        "火锅",
        "饺子",
        "糖醋排骨",
        "麻辣烫",
        "微信支付",
        "支付宝",
        "扫码领红包",
        "北京市朝阳区",
        "上海市浦东新区陆家嘴环路1000号",
        "深圳市南山区科技园",
        "联系人：李雷",
        "电话：13800138000",
        "姓名：韩梅梅，年龄：25",
        "资产编号ZC-2024-0012",
        "仓库A区3排5列",
        "生产日期：2024年5月1日",
        "设备巡检点：配电房2号柜",
        "产品名称：不锈钢螺栓M8",
        "药品追溯码",
        "骨科二病区12床",
        "农夫山泉550ml",
        "合肥骆岗公园",
        "饕餮盛宴",
        "魑魅魍魉",
        "龘靐",
        "沧海桑田",
        "蜻蜓点水",
        "荔枝与桂圆",
        "酱油",
        "豆豉鲮鱼",
        "瓷砖",
        "窗帘",
        "轴承",
        "阀门",
        "齿轮箱",
        "欢迎光临！",
        "谢谢您的支持",
        "WIFI密码：abc12345",
        "第3届运动会",
        "共享单车请勿占用盲道",
        "停车场出口",
        "地铁2号线人民广场站",
        "身份证",
        "合格证",
        "保修卡",
        "增值税发票",
        "湖南长沙臭豆腐",
        "新疆哈密瓜",
        "内蒙古呼和浩特",
        "哈尔滨冰雪大世界",
    ];
    const TRADITIONAL: &[&str] = &[
        "你好嗎",
        "臺灣",
        "台北市信義區",
        "測試",
        "繁體中文測試：掃描二維碼",
        "高雄市前鎮區",
        "香港九龍旺角",
        "統一發票",
        "電子發票證明聯",
        "謝謝光臨",
        "請掃描條碼",
        "珍珠奶茶",
        "滷肉飯",
        "蚵仔煎",
        "聯絡電話：0912345678",
        "姓名：陳大文",
        "捷運淡水線",
        "悠遊卡",
        "便利商店",
        "故宮博物院",
        "民國113年",
        "商品名稱：鳳梨酥",
        "有限公司",
        "圖書館",
        "健保卡",
        "停車場",
        "澳門威尼斯人",
    ];
    const JAPANESE: &[&str] = &[
        "日本語テスト漢字カナ",
        "こんにちは",
        "ありがとうございます",
        "東京都千代田区",
        "株式会社",
        "山田太郎",
        "カタカナ",
        "テスト",
        "お問い合わせ",
        "営業時間 10:00～20:00",
        "税込1,080円",
        "賞味期限",
        "ラーメン",
        "寿司",
        "大阪府大阪市北区梅田",
        "製造番号：A-123",
        "無断転載を禁じます",
        "アイスクリーム",
        "予約番号",
        "Wi-Fiパスワード",
        "ﾃｽﾄ",
        "ﾔﾏﾀﾞ ﾀﾛｳ",
    ];
    const KOREAN: &[&str] = &[
        "안녕하세요 한국어",
        "대한민국",
        "서울특별시 강남구",
        "감사합니다",
        "전화번호",
        "유통기한",
        "홍길동",
        "할인 쿠폰",
        "회원가입",
        "김치찌개",
        "확인하세요",
        "배송조회",
    ];
    const WESTERN: &[&str] = &[
        "Café Zürich ñ",
        "Müller",
        "Straße",
        "naïve",
        "Größe: 42",
        "São Paulo",
        "año",
        "Señor",
        "Ångström",
        "Crème brûlée",
        "déjà vu",
        "¿Qué tal?",
        "25 °C",
        "10 €",
        "£5",
        "“quoted”",
        "it’s",
        "smørrebrød",
        "Köln – Düsseldorf",
        "© 2024",
        "½",
        "garçon",
        "Über",
        "à la carte",
        "Eté",
        "voilà",
        "créée",
        "Füße",
        "Öl",
        "à",
        "è",
        "Žižek",
        "Škoda",
        "François Élysée",
        "10 µm ± 2",
        "Niño",
        "©",
        "naïveté",
        "Æther",
        "Ø 12 mm",
    ];

    const ALL: [(&[&str], &Encoding); 5] =
        [(SIMPLIFIED, GB18030), (TRADITIONAL, BIG5), (JAPANESE, SHIFT_JIS), (KOREAN, EUC_KR), (WESTERN, WINDOWS_1252)];

    #[test]
    fn short_texts_are_told_by_their_bytes() {
        for (texts, encoding) in ALL {
            for text in texts {
                let (bytes, _, unmappable) = encoding.encode(text);
                assert!(!unmappable, "{text} cannot be written in {}", encoding.name());
                assert_eq!(guess(&bytes), *text, "{}", encoding.name());
            }
        }
    }

    #[test]
    fn valid_utf_8_is_utf_8() {
        for text in ALL.into_iter().flat_map(|(texts, _)| texts).chain(&["Привет, мир", "微信😀🎉", "plain", ""])
        {
            assert_eq!(guess(text.as_bytes()), *text);
            assert_eq!(guess(format!("\u{FEFF}{text}").as_bytes()), *text, "with a byte order mark");
        }
    }

    #[test]
    fn random_words_of_three_common_characters_are_told() {
        let mut state = 1_u64;
        let mut below = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit
        };
        for (list, encoding, at_most) in [
            (common::SIMPLIFIED, GB18030, 3),
            (common::TRADITIONAL, BIG5, 3),
            (common::KANJI, SHIFT_JIS, 3),
            // Half of the syllables are also common Chinese characters.
            (common::HANGUL, EUC_KR, 30),
        ] {
            let characters: Vec<char> = list.chars().collect();
            let wrong = (0..1000).filter(|_| {
                let text: String = (0..3).map(|_| characters[below(characters.len())]).collect();
                let bytes = encoding.encode(&text).0;
                std::str::from_utf8(&bytes).is_err() && guess(&bytes) != text
            });
            let wrong = wrong.count();
            assert!(wrong <= at_most, "{}: {wrong} of 1000", encoding.name());
        }
    }

    #[test]
    fn what_is_no_text_keeps_every_byte() {
        // Undefined in Windows-1252 and cut off in the others; a control character among them.
        for bytes in [&b"\x00\x01\xFE\xFF"[..], b"abc\x81", b"\xFF\xFF\xFF\x03"] {
            let text = guess(bytes);
            assert_eq!(
                text.chars().map(u32::from).collect::<Vec<_>>(),
                bytes.iter().map(|&b| u32::from(b)).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn no_bytes_panic() {
        for a in 0..=255 {
            for b in 0..=255 {
                for bytes in [&[a, b][..], &[b'x', a, b, b'1'], &[a, b, a], &[a, b'0', b, b'9']] {
                    guess(bytes);
                }
            }
        }
    }
}
