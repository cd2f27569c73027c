//! Simulates a thousand clients: when they exchange tokens, and the numbers that the guide gives of it.
//!
//! It is compiled as a module of d1-facade's tests: it compares the client's way of renewing early with others,
//! which nothing public can choose.
//!
//! `D1_UPDATE_DOCS=1 cargo test -p d1-facade fleet` writes the plot and the tables of
//! `docs/src/scale.md` anew; without the variable they are compared.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::cache::TokenCache;
use super::refresh::{self, Early};
use super::{AccessToken, TokenSource};
use crate::error::Error;

const CLIENTS: usize = 1000;
const TWO_HOURS: u64 = 2 * 60 * 60;
const NEVER: Range<u64> = 0..0;

/// The same moment for all: what the spread is measured against.
const TOGETHER: Early = |_, _| Duration::from_secs(60);

/// As if every token came early: half a minute of spread each time.
const HALF_A_MINUTE: Early = |lifetime, _| refresh::spread(lifetime, false);

/// A token endpoint that answers at once, or fails at once.
#[derive(Default)]
struct Endpoint {
    asked: AtomicUsize,
    down: AtomicBool,
}

impl TokenSource for Arc<Endpoint> {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let down = self.down.load(Ordering::Relaxed);
        if down {
            return Err(Error::token_unavailable(std::io::Error::other("down")));
        }
        Ok(AccessToken::new("token", Duration::from_secs(900)).unwrap())
    }
}

/// What the token endpoint saw.
struct Seen {
    /// How many exchanges there were in each second.
    per_second: Vec<usize>,
    /// In which seconds the clients went for their first token, their second, and so on.
    generations: Vec<Range<usize>>,
}

impl Seen {
    fn peak(&self, seconds: Range<usize>) -> usize {
        self.per_second[seconds].iter().copied().max().unwrap_or(0)
    }

    fn peak_of_generation(&self, generation: usize) -> Option<usize> {
        Some(self.peak(self.generations.get(generation)?.clone()))
    }

    fn all(&self) -> usize {
        self.per_second.iter().sum()
    }
}

/// Clients that start in the same second and call once every `interval` seconds, through the caches that
/// real clients have.
async fn simulate(
    early: Early,
    clients: usize,
    (interval, seconds): (u64, u64),
    down: Range<u64>,
) -> Seen {
    fastrand::seed(7);
    let fleet: Vec<(Arc<Endpoint>, TokenCache)> = (0..clients)
        .map(|_| {
            let endpoint = Arc::new(Endpoint::default());
            let cache = TokenCache::refreshing(Arc::new(endpoint.clone()), early);
            (endpoint, cache)
        })
        .collect();
    let mut per_second = vec![0; usize::try_from(seconds).unwrap()];
    let mut generations: Vec<Range<usize>> = Vec::new();
    for second in (0..seconds).step_by(usize::try_from(interval).unwrap()) {
        let at = usize::try_from(second).unwrap();
        for (endpoint, cache) in &fleet {
            let before = endpoint.asked.load(Ordering::Relaxed);
            endpoint
                .down
                .store(down.contains(&second), Ordering::Relaxed);
            let answer = cache.get(Duration::from_secs(30)).now_or_never();
            assert!(answer.unwrap().is_ok() || !down.is_empty());
            if endpoint.asked.load(Ordering::Relaxed) > before {
                per_second[at] += 1;
                if generations.len() == before {
                    generations.push(at..at);
                }
                generations[before].end = at + 1;
            }
        }
        tokio::time::advance(Duration::from_secs(interval)).await;
    }
    Seen {
        per_second,
        generations,
    }
}

async fn two_hours(early: Early) -> Seen {
    simulate(early, CLIENTS, (1, TWO_HOURS), NEVER).await
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_starts_together_does_not_renew_together() {
    let together = two_hours(TOGETHER).await;
    let half_a_minute = two_hours(HALF_A_MINUTE).await;
    let spread = two_hours(refresh::spread).await;
    // What the reference is for: without a spread, all of them renew in the same second for ever.
    assert_eq!(together.peak_of_generation(8), Some(CLIENTS));
    assert_eq!(
        spread.peak(0..1),
        CLIENTS,
        "nothing spreads the start itself"
    );
    // Were the renewals evenly spread, there would be 1.2 in a second.
    assert!(spread.peak(1..7200) <= 12, "{}", spread.peak(1..7200));
    assert!(half_a_minute.peak(3600..7200) >= 2 * spread.peak(3600..7200));
    // Being spread costs a part of an exchange at the start, and nothing later.
    assert!(spread.all() * 100 <= half_a_minute.all() * 107);

    let columns = [
        ("no spread", &together),
        ("half a minute each time", &half_a_minute),
        ("as it is", &spread),
    ];
    part_of_page("generations", &generations_table(&columns));
    same_or_written(&docs().join("token-exchanges.svg"), &plot(&columns));
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_an_outage_brought_into_step_leaves_it_again() {
    // Nobody's token lasts longer than fifteen minutes.
    let outage = 3600..4800;
    let over = usize::try_from(outage.end).unwrap();
    let seen = simulate(refresh::spread, CLIENTS, (1, TWO_HOURS), outage).await;
    assert!(seen.peak(over..over + 10) > 100, "they come back together");
    let later = seen.peak(over + 10..7200);
    assert!(later <= 12, "{later}");
    let text = format!(
        "| first ten seconds | at its worst |\n|---|---|\n| the endpoint is back | {} in a second |\n\
         | the rest of the two hours | {later} in a second |\n",
        seen.peak(over..over + 10),
    );
    part_of_page("outage", &text);
}

#[tokio::test(start_paused = true)]
async fn rare_calls_cost_an_exchange_each() {
    const DAY: u64 = 24 * 60 * 60;
    let mut table = "| a call every | exchanges per instance and hour |\n|---|---|\n".to_owned();
    for (interval, name) in [
        (1, "second"),
        (60, "minute"),
        (300, "5 minutes"),
        (600, "10 minutes"),
        (900, "15 minutes"),
        (1800, "30 minutes"),
    ] {
        let hours = if interval == 1 { 8 } else { 24 };
        let time = (interval, DAY / 24 * hours);
        let seen = simulate(refresh::spread, 100, time, NEVER).await;
        let tenths = (seen.all() * 10).div_ceil(100 * usize::try_from(hours).unwrap());
        if interval >= 900 {
            assert_eq!(tenths, 36_000 / usize::try_from(interval).unwrap());
        } else {
            assert!((30..=62).contains(&tenths), "{tenths}");
        }
        writeln!(table, "| {name} | {}.{} |", tenths / 10, tenths % 10).unwrap();
    }
    part_of_page("rare", &table);
}

fn generations_table(columns: &[(&str, &Seen)]) -> String {
    let mut table = "| token |".to_owned();
    for (name, _) in columns {
        write!(table, " {name} |").unwrap();
    }
    table += "\n|---|";
    table += &"---|".repeat(columns.len());
    for generation in 0..9 {
        let minutes = generation * 14;
        match generation {
            0 => table += "\n| the first |",
            _ => write!(
                table,
                "\n| no. {}, after about {minutes} minutes |",
                generation + 1
            )
            .unwrap(),
        }
        for (_, seen) in columns {
            match seen.peak_of_generation(generation) {
                Some(peak) => write!(table, " {peak} |").unwrap(),
                None => table += " – |",
            }
        }
    }
    table += "\n| all exchanges of the two hours |";
    for (_, seen) in columns {
        write!(table, " {} |", seen.all()).unwrap();
    }
    table + "\n"
}

/// Ten seconds a pixel, one panel under the other, the axis logarithmic and the same for all.
fn plot(columns: &[(&str, &Seen)]) -> String {
    const HEIGHT: usize = 120;
    const STEP: usize = HEIGHT + 50;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 {}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Token exchanges per second of 1,000 clients that start together</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        STEP * columns.len() + 30
    );
    for (panel, (name, seen)) in columns.iter().enumerate() {
        let (top, floor) = (panel * STEP + 30, panel * STEP + 30 + HEIGHT);
        writeln!(svg, "<text x=\"50\" y=\"{}\">{name}</text>", top - 8).unwrap();
        for decade in [1, 10, 100, 1000] {
            let y = floor - height(decade, HEIGHT);
            writeln!(
                svg,
                "<path d=\"M50 {y}h720\" stroke=\"#ddd\"/>\
                 <text x=\"44\" y=\"{}\" text-anchor=\"end\">{decade}</text>",
                y + 4
            )
            .unwrap();
        }
        svg += "<path stroke=\"#1f5fa8\" d=\"";
        for (x, seconds) in seen.per_second.chunks(10).enumerate() {
            let peak = seconds.iter().copied().max().unwrap_or(0);
            if peak > 0 {
                write!(svg, "M{}.5 {floor}v-{}", x + 50, height(peak, HEIGHT)).unwrap();
            }
        }
        writeln!(svg, "\"/>\n<path d=\"M50 {floor}h720\" stroke=\"black\"/>").unwrap();
        for minutes in (0..=120).step_by(15) {
            let (x, y) = (50 + minutes * 6, floor + 15);
            writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{minutes}</text>"
            )
            .unwrap();
        }
    }
    let y = STEP * columns.len() + 20;
    let legend = "minutes; the most exchanges in a second of each ten seconds";
    write!(
        svg,
        "<text x=\"410\" y=\"{y}\" text-anchor=\"middle\">{legend}</text>\n</svg>\n"
    )
    .unwrap();
    svg
}

/// How high a value stands; 1 is not nothing.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn height(value: usize, whole: usize) -> usize {
    let decades = (value as f64).log10();
    ((decades + 0.2) / 3.2 * whole as f64).round() as usize
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src")
}

/// Compares the part of the page between two comments, or writes it.
fn part_of_page(name: &str, text: &str) {
    // Tests of one process write to the same page.
    static PAGE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = PAGE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = docs().join("scale.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    same_or_written(&path, &format!("{before}{begin}\n{text}\n{end}{after}"));
}

fn same_or_written(path: &Path, text: &str) {
    if std::env::var_os("D1_UPDATE_DOCS").is_some() {
        std::fs::write(path, text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let stale = "is stale: D1_UPDATE_DOCS=1 cargo test -p d1-facade fleet";
    assert!(committed == text, "{} {stale}", path.display());
}
