//! The README's picture of a terminal, which is docs/first-minute.svg: a real run, drawn.
//!
//! The test follows the picture as it follows a page. With `LISTGATE_WRITE_GOLDEN` set, it draws a new one.

use crate::page::{Step, serve, session};
use crate::reader::Reader;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is done before the picture begins.
const BEFORE: &str = "printf '%s\\n' 'From: Anne <anne@example.org>' 'To: mylist@example.com' \
                      'Subject: Hello' 'Message-ID: <1@example.org>' '' 'Hello, list!' > hello.eml";

/// The commands in the picture.
const COMMANDS: [&str; 5] = [
    "listgate list create mylist@example.com --owner anne@example.org",
    "listgate member add mylist@example.com anne@example.org bob@example.net",
    "listgate send hello.eml --from anne@example.org \\\n    --to mylist@example.com typo@example.com",
    "listgate explain 1@example.org",
    "listgate post ls",
];

/// The width and height of a character, and the margin around the text, in pixels.
const CHARACTER: (f64, f64) = (8.4, 20.0);
const MARGIN: f64 = 20.0;
/// The columns of the terminal.
const COLUMNS: usize = 80;
/// The height of the title bar.
const BAR: f64 = 28.0;
const BUTTONS: [&str; 3] = ["#ff5f57", "#febc2e", "#28c840"];

#[test]
#[ignore = "needs script"]
fn the_picture_is_of_a_real_run() {
    let mut reader = Reader::new("true");
    reader.follow(&Step::Run { command: serve(), shown: "listening on  127.0.0.1:8024".to_owned() });
    assert_eq!(reader.run(BEFORE).0, Some(0));
    if std::env::var_os("LISTGATE_WRITE_GOLDEN").is_some() {
        fs::write(path(), draw(&run(&reader))).unwrap();
        return reader.leave();
    }
    let drawn = fs::read_to_string(path()).unwrap();
    let text = text(&drawn);
    assert_eq!(draw(&text), drawn, "the picture is not drawn by this test");
    let steps = session(&text);
    let commands: Vec<_> = steps.iter().filter_map(|step| step.command()).collect();
    assert_eq!(commands, COMMANDS);
    steps.iter().for_each(|step| reader.follow(step));
    reader.leave();
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/first-minute.svg")
}

/// Runs the commands, and returns what the terminal then shows.
fn run(reader: &Reader) -> String {
    let mut text = String::new();
    for command in COMMANDS {
        // Commands that look at the post must see it delivered.
        std::thread::sleep(Duration::from_secs(1));
        let (_, printed) = reader.run(command);
        writeln!(text, "$ {command}\n{}", printed.replace('\r', "").trim_end()).unwrap();
    }
    text
}

/// Draws a terminal with a text: commands after `$`, and what they print.
fn draw(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let width = COLUMNS as f64 * CHARACTER.0 + 2.0 * MARGIN;
    let height = BAR + lines.len() as f64 * CHARACTER.1 + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\">\n<title>A list, its members, and a first post</title>\n\
         <style>text {{ font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #9aa4b2; white-space: pre }} \
         .command {{ fill: #f0f3f6 }} .prompt {{ fill: #3fb950 }}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (place, colour) in BUTTONS.iter().enumerate() {
        let x = MARGIN + place as f64 * 20.0;
        writeln!(svg, "<circle cx=\"{x}\" cy=\"20\" r=\"6\" fill=\"{colour}\"/>").unwrap();
    }
    let mut is_command = false;
    for (row, line) in lines.iter().enumerate() {
        assert!(line.chars().count() <= COLUMNS, "wider than the terminal: {line}");
        let y = BAR + MARGIN + (row as f64 + 0.7) * CHARACTER.1;
        let command = line.strip_prefix("$ ");
        is_command = command.is_some() || is_command && lines[row - 1].ends_with('\\');
        let class = if is_command { " class=\"command\"" } else { "" };
        let prompt = command.map_or("", |_| "<tspan class=\"prompt\">$</tspan> ");
        let words = escaped(command.unwrap_or(line));
        writeln!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{y:.0}\"{class} xml:space=\"preserve\">{prompt}{words}</text>"
        )
        .unwrap();
    }
    svg + "</svg>\n"
}

/// Reads the text of a picture.
fn text(svg: &str) -> String {
    let rows = svg.lines().filter_map(|line| line.strip_prefix("<text ")?.split_once('>'));
    rows.map(|(_, row)| {
        let row = row.trim_end_matches("</text>").replace("<tspan class=\"prompt\">$</tspan>", "$");
        row.replace("&lt;", "<").replace("&amp;", "&") + "\n"
    })
    .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
