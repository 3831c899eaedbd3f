//! Line charts and bar charts as SVG, in colours that work on light and dark backgrounds.
//!
//! Scales are logarithmic: the values differ by a factor of a thousand, and equal ratios have equal distances.

use super::page::count;
use std::fmt::Write;

const WIDTH: f64 = 700.0;
const HEIGHT: f64 = 400.0;
const TEXT: &str = "#808080";
const GRID: &str = "#80808040";
/// The colours of the series. The first belongs to Listgate, which is also drawn thicker.
const COLOURS: [&str; 7] = ["#2f81f7", "#9a6ff0", "#8c8c8c", "#d18616", "#e5534b", "#2ea043", "#c4549c"];

pub(super) struct Series<'s> {
    pub(super) name: &'s str,
    /// One value for each label; `None` if nothing was measured.
    pub(super) values: Vec<Option<f64>>,
}

/// Returns the colour and the line width for a name. They are the same in every chart.
fn colour(name: &str) -> (&'static str, f64) {
    let place = match name {
        "Listgate" => 0,
        "Listgate, Mailman backend" => 1,
        "smtp-sink" => 2,
        "Dovecot LMTP" => 3,
        "Mailman's runner" => 4,
        "aiosmtpd" => 5,
        _ => 6,
    };
    (COLOURS[place], if place == 0 { 3.5 } else { 2.0 })
}

/// Returns the powers of ten that enclose all values.
fn decades(values: impl Iterator<Item = f64>) -> (i32, i32) {
    let (least, most) = values
        .filter(|value| *value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    if most == 0.0 {
        return (0, 1);
    }
    let (low, high) = (least.log10().floor() as i32, most.log10().ceil() as i32);
    (low, high.max(low + 1))
}

/// Formats a power of ten: `0.1`, `1`, `10,000`.
fn power(decade: i32) -> String {
    let value = 10_f64.powi(decade);
    if decade < 2 { value.to_string() } else { count(value) }
}

fn open(height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"{TEXT}\">\n\
         <title>{title}</title>\n"
    )
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, fill: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    put(
        svg,
        format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{words}</text>"
        ),
    );
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    put(svg, format_args!("<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{GRID}\"/>"));
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(svg, "{element}").expect("writing to a String does not fail");
}

/// Draws a line for each series over evenly spaced labels, with the name at its end.
pub(super) fn lines(values: &str, row: &str, labels: &[&str], series: &[Series<'_>]) -> String {
    let (left, right, top, bottom) = (64.0, WIDTH - 176.0, 36.0, HEIGHT - 48.0);
    let (low, high) = decades(series.iter().flat_map(|series| series.values.iter().flatten().copied()));
    let x =
        |place: usize| left + 24.0 + (right - left - 24.0) * place as f64 / (labels.len().max(2) - 1) as f64;
    let y = |value: f64| bottom - (bottom - top) * (value.log10() - f64::from(low)) / f64::from(high - low);
    let mut svg = open(HEIGHT, &format!("{values}, by {row}"));
    text(&mut svg, 8.0, 20.0, "start", TEXT, values);
    for decade in low..=high {
        let at = y(10_f64.powi(decade));
        line(&mut svg, (left, at), (right, at));
        text(&mut svg, left - 8.0, at + 4.0, "end", TEXT, &power(decade));
    }
    for (place, label) in labels.iter().enumerate() {
        text(&mut svg, x(place), bottom + 20.0, "middle", TEXT, label);
    }
    text(&mut svg, f64::midpoint(left, right), HEIGHT - 8.0, "middle", TEXT, row);
    let mut names = Vec::new();
    for series in series {
        let (colour, width) = colour(series.name);
        let points: Vec<(f64, f64)> = series
            .values
            .iter()
            .enumerate()
            .filter_map(|(place, value)| Some((x(place), y((*value).filter(|value| *value > 0.0)?))))
            .collect();
        let Some(&(_, end)) = points.last() else { continue };
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let path = path.join("L");
        put(
            &mut svg,
            format_args!("<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"),
        );
        for (x, y) in points {
            put(
                &mut svg,
                format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{width}\" fill=\"{colour}\"/>"),
            );
        }
        names.push((end, series.name, colour));
    }
    for (at, name, colour) in spread(names, 17.0, bottom) {
        text(&mut svg, right + 10.0, at + 4.0, "start", colour, name);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Moves overlapping names apart, upwards from `bottom`.
fn spread<'n>(
    mut names: Vec<(f64, &'n str, &'static str)>,
    distance: f64,
    bottom: f64,
) -> Vec<(f64, &'n str, &'static str)> {
    names.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut lowest = bottom;
    for name in &mut names {
        name.0 = name.0.min(lowest);
        lowest = name.0 - distance;
    }
    names
}

/// Draws a bar for each value, with its number and a word beside it.
pub(super) fn bars(values: &str, bars: &[(&str, f64, String)]) -> String {
    let (left, right, top, step) = (176.0, WIDTH - 170.0, 36.0, 34.0);
    let height = top + step * bars.len() as f64 + 28.0;
    let (low, high) = decades(bars.iter().map(|(_, value, _)| *value));
    let x = |value: f64| left + (right - left) * (value.log10() - f64::from(low)) / f64::from(high - low);
    let mut svg = open(height, values);
    text(&mut svg, 8.0, 20.0, "start", TEXT, &format!("{values} (logarithmic)"));
    for decade in low..=high {
        let at = x(10_f64.powi(decade));
        line(&mut svg, (at, top - 4.0), (at, height - 24.0));
        text(&mut svg, at, height - 8.0, "middle", TEXT, &power(decade));
    }
    for (place, (name, value, word)) in bars.iter().enumerate() {
        let y = top + step * place as f64;
        let (fill, _) = colour(name);
        let width = (x(*value) - left).max(1.0);
        text(&mut svg, left - 10.0, y + 17.0, "end", TEXT, name);
        put(
            &mut svg,
            format_args!(
                "<rect x=\"{left}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"24\" fill=\"{fill}\"/>"
            ),
        );
        text(&mut svg, left + width + 8.0, y + 17.0, "start", TEXT, &format!("{} {word}", count(*value)));
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_line_for_each_series_and_names_it() {
        let series = [
            Series { name: "Listgate", values: vec![Some(10.0), None, Some(1000.0)] },
            Series { name: "smtp-sink", values: vec![None, None, None] },
        ];
        let svg = lines("messages per second", "sessions", &["1", "8", "32"], &series);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains(">Listgate</text>") && !svg.contains(">smtp-sink</text>"), "{svg}");
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn names_do_not_overlap() {
        let names = spread(vec![(100.0, "a", "x"), (101.0, "b", "x"), (300.0, "c", "x")], 17.0, 300.0);
        assert_eq!(names.iter().map(|name| name.0).collect::<Vec<_>>(), [300.0, 101.0, 84.0]);
    }

    #[test]
    fn a_bar_chart_shows_its_numbers() {
        let svg = bars(
            "messages per second",
            &[("Listgate", 12000.0, "".into()), ("aiosmtpd", 90.0, "(133)".into())],
        );
        assert!(svg.contains(">12,000 </text>") && svg.contains(">90.0 (133)</text>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 2);
    }
}
