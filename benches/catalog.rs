//! A look-up of `QueryBarCode` among a million products stays under a millisecond; and how fast a million come in.
//!
//! `cargo bench --bench catalog`, or `cargo bench --bench catalog --profile dev` where no optimised build is at hand.

use std::hint::black_box;
use std::io::{self, BufReader, Read};
use std::time::{Duration, Instant};

use criterion::Criterion;
use qrstack::providers::tencent_ocr::catalog::{self, Gtin};
use qrstack::store::{Access, Store};

const PRODUCTS: u64 = 1_000_000;

/// The number of the product `number`: 690, nine digits, a check digit.
fn code(number: u64) -> String {
    let digits = format!("690{number:09}");
    let weighted = digits.bytes().rev().zip([3, 1].into_iter().cycle());
    let sum: u32 = weighted.map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// A CSV file that is never in memory as a whole.
struct Products {
    next: u64,
    line: io::Cursor<Vec<u8>>,
}

impl Read for Products {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.line.read(buffer)?;
        if read > 0 || self.next == PRODUCTS {
            return Ok(read);
        }
        // Spread over the whole range, as the lines of a real file are.
        let number = self.next * 7_919 % PRODUCTS;
        let line =
            format!("{},商品 {number},Product {number},Brand,500ml,http://img.example/{number}.jpg,1\n", code(number));
        self.next += 1;
        self.line = io::Cursor::new(line.into_bytes());
        self.line.read(buffer)
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), catalog::MIGRATIONS, Access::Alone, Duration::ZERO);
    let store = runtime.block_on(store).expect("a store");
    let header = "BarCode,ProductName,EnName,BrandName,Type,ImageLink,CheckResult\n";
    let products = Products { next: 0, line: io::Cursor::new(header.into()) };
    let started = Instant::now();
    let summary = runtime.block_on(catalog::import(&store, BufReader::new(products), |_| {})).expect("imported");
    assert_eq!((summary.imported, summary.bad), (PRODUCTS, 0));
    println!("{PRODUCTS} products imported in {:.1} s", started.elapsed().as_secs_f64());

    // Spread over the whole catalogue, so that the pages of one look-up are not those of the next.
    let mut number = 0;
    let mut next = move || {
        number = (number + 382_729) % PRODUCTS;
        Gtin::parse(&code(number)).expect("a GTIN")
    };
    let mut times: Vec<f64> = (0..5_000)
        .map(|_| {
            let gtin = next();
            let started = Instant::now();
            let found = runtime.block_on(catalog::find(&store, &gtin)).expect("asked");
            assert!(found.is_some_and(|product| product.check_result == "1"));
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    println!(
        "look-up among {PRODUCTS}: median {:.0} µs, 99 % {:.0} µs, most {:.0} µs",
        at(0.5),
        at(0.99),
        times[times.len() - 1]
    );
    assert!(at(0.5) < 1_000.0, "a look-up takes more than a millisecond");

    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("look-up among a million products", |bencher| {
        bencher.iter(|| black_box(runtime.block_on(catalog::find(&store, &next())).expect("asked")));
    });
    criterion.final_summary();
}
