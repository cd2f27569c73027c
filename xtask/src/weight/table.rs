//! The weights as Markdown, and their place in the guide.

use super::measure::Weight;
use super::service::Service;

pub(super) const BEGIN: &str = "<!-- cargo xtask weight -->";
pub(super) const END: &str = "<!-- /cargo xtask weight -->";

const HEADING: &str = "| service | crates | cold release build | again, `main.rs` touched | stripped program |\n\
                       |---|---|---|---|---|\n";

/// One table: each service beside the first, and how far the first differs from itself.
pub(super) fn render(
    circumstances: &str,
    weights: &[(&Service, Weight)],
    again: &Weight,
) -> String {
    let mut text = format!("{circumstances}\n\n{HEADING}");
    let Some((_, reference)) = weights.first() else {
        return text;
    };
    for (index, (service, weight)) in weights.iter().enumerate() {
        let compared = (index > 0).then_some(reference);
        text += &row(service.name, weight, compared);
    }
    text += &row("bare, once more", again, Some(reference));
    text
}

fn row(name: &str, weight: &Weight, reference: Option<&Weight>) -> String {
    let (cold, again) = (weight.cold.as_secs_f64(), weight.again.as_secs_f64());
    let size = mebibytes(weight.size);
    let Some(reference) = reference else {
        return format!(
            "| {name} | {} | {cold:.1} s | {again:.2} s | {size:.2} MiB |\n",
            weight.crates
        );
    };
    format!(
        "| {name} | {} ({:+}) | {cold:.1} s ({:.2} ×) | {again:.2} s ({:.2} ×) | {size:.2} MiB ({:+.2}) |\n",
        weight.crates,
        weight.crates.cast_signed() - reference.crates.cast_signed(),
        cold / reference.cold.as_secs_f64(),
        again / reference.again.as_secs_f64(),
        size - mebibytes(reference.size),
    )
}

fn mebibytes(size: u64) -> f64 {
    // No program is so large that this loses a byte.
    size as f64 / f64::from(1 << 20)
}

/// The chapter with `table` between its markers; nothing if they are missing.
pub(super) fn replaced(chapter: &str, table: &str) -> Option<String> {
    let (before, rest) = chapter.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}
