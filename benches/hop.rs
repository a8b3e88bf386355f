//! The price of reading in a worker process: the same clean 400 × 400 PNG read on a thread of this process and in a
//! worker, side by side, through the same queue.
//!
//! The last line compares the fastest tenths of both, measured in turns: what else the machine does falls upon both
//! alike, and hardly upon those. (Workers step back behind everything else, so that on a busy machine the others wait.)

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::Criterion;
use qrstack::codec::encode::{QrOptions, qr};
use qrstack::codec::{Budget, Kinds, Limits, render};
use qrstack::work::{Launch, Task, Work, Workers};
use tokio::runtime::Runtime;

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let program = Path::new(env!("CARGO_BIN_EXE_qrstack")).to_owned();
    let launch = Launch { program: Some(program), memory_mib: 1024, idle: Duration::from_mins(10) };
    let (workers, confinement) = runtime.block_on(Workers::start(launch)).expect("a worker");
    let thread = Work::new(1, 1024, 1);
    let process = Work::isolated(workers, 1, 1024, 1);

    let mut criterion = Criterion::default().sample_size(50).configure_from_args();
    let mut group = criterion.benchmark_group("hop");
    for (name, picture) in [("400 x 400", clean()), ("400 x 400 and 2 MB behind its end", padded(clean(), 2_000_000))] {
        for (place, work) in [("thread", &thread), ("process", &process)] {
            group.bench_function(format!("{name}, {place}"), |b| b.iter(|| read(&runtime, work, &picture)));
        }
    }
    group.finish();
    criterion.final_summary();

    let [one, other] = in_turns(&runtime, [&thread, &process], &clean());
    println!(
        "clean 400 x 400 PNG: {:.3} ms on a thread, {:.3} ms in a worker ({confinement}): {:+.3} ms, x {:.2}",
        milliseconds(one),
        milliseconds(other),
        milliseconds(other) - milliseconds(one),
        other.as_secs_f64() / one.as_secs_f64()
    );
    runtime.block_on(process.close());
}

/// As a handler does it: on a thread of the runtime.
fn read(runtime: &Runtime, work: &Work, picture: &[u8]) {
    let (work, picture) = (work.clone(), picture.to_vec());
    let task = Task { limits: Limits::default(), kinds: Kinds::ALL, budget: Budget::default() };
    let reading = runtime.spawn(async move { work.read(picture, task).await });
    let done = runtime.block_on(reading).expect("joined").expect("alive").expect("a picture");
    assert_eq!(done.decoded.symbols.len(), 1);
}

/// The time that a tenth of the readings keeps, of each.
fn in_turns(runtime: &Runtime, works: [&Work; 2], picture: &[u8]) -> [Duration; 2] {
    const ROUNDS: usize = 1000;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (work, times) in works.iter().zip(&mut times) {
            let start = Instant::now();
            read(runtime, work, picture);
            times.push(start.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[ROUNDS / 10]
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn clean() -> Vec<u8> {
    let matrix = qr("https://example.com/item/1", &QrOptions::default()).expect("a short text fits");
    render::png(&render::place(&matrix, 4, 400, 400))
}

/// What a decoder does not look at and a pipe has to carry.
fn padded(mut picture: Vec<u8>, bytes: usize) -> Vec<u8> {
    picture.resize(picture.len() + bytes, 0);
    picture
}
