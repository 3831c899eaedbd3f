//! The lines of a text that its author wrote.

/// Lines over which a mail program folds a line such as `On Monday, Ann wrote:`, without the last one.
const FOLDED: usize = 2;

/// Words of lines that introduce a quote, in lower case.
const INTRODUCE: &[&str] = &[
    "wrote",
    "writes",
    "schrieb",
    "schreef",
    "écrit",
    "escribió",
    "escribiste",
    "scritto",
    "escreveu",
    "skrev",
    "kirjoitti",
    "pisze",
    "napisał",
    "napisał(a)",
    "napsal(a)",
    "napsal",
    "napísal",
    "írta",
    "yazdı",
    "şunu yazdı",
    "scris",
    "έγραψε",
    "пишет",
    "написал",
    "написав",
    "写道",
    "寫道",
    "のメッセージ",
    "작성",
];

/// Names of the field From in the header that Outlook puts before a quote, in lower case.
const FROM: &[&str] = &[
    "from",
    "von",
    "van",
    "de",
    "da",
    "fra",
    "från",
    "lähettäjä",
    "od",
    "feladó",
    "kimden",
    "gönderen",
    "από",
    "от",
    "от кого",
    "від",
    "发件人",
    "寄件者",
    "差出人",
    "보낸 사람",
];

/// How the line begins that phones and other programs put below a text, in lower case.
const SENT_FROM: &[&str] = &[
    "sent from ",
    "sent with ",
    "sent via ",
    "get outlook for",
    "von meinem ",
    "gesendet von",
    "gesendet mit",
    "diese nachricht wurde von meinem",
    "envoyé de",
    "envoyé à partir",
    "enviado desde",
    "enviado do",
    "enviado de",
    "inviato da",
    "verzonden v",
    "verstuurd v",
    "skickat från",
    "sendt fra",
    "lähetetty ",
    "wysłane z",
    "odesláno z",
    "отправлено ",
    "надіслано ",
    "发自我的",
    "從我的",
    "iphoneから送信",
    "나의 iphone에서 보냄",
    "yahoo mail: ",
];

/// Returns the first lines, at most `most`, that the author of a text wrote: neither empty nor quoted, and not of a
/// signature. A quote has a mark on each line, or goes up to the end. A line for which `is_command` holds introduces no
/// quote.
pub(super) fn own(text: &str, most: usize, is_command: impl Fn(&str) -> bool) -> Vec<String> {
    let mut own: Vec<String> = Vec::new();
    // How many of the last lines may be the beginning of a folded one.
    let mut adjacent = 0;
    let mut introduced = false;
    for line in split(text).map(cleaned) {
        if line.is_empty() || is_quoted(&line) {
            introduced &= line.is_empty();
            adjacent = 0;
            continue;
        }
        if ends(&line) {
            break;
        }
        let is_command = is_command(&line);
        if let Some(folded) = introduces(&line, &own[own.len() - adjacent..], is_command) {
            own.truncate(own.len() - folded);
            introduced = true;
            adjacent = 0;
        } else if introduced || own.len() == most + FOLDED {
            break;
        } else if !is_sent_from(&line) {
            own.push(line);
            adjacent = if is_command { 0 } else { FOLDED.min(adjacent + 1) };
        }
    }
    own.truncate(most);
    own
}

/// Returns the lines of a text.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.flat_map(|line| line.split(['\r', '\u{85}', '\u{2028}', '\u{2029}']))
}

/// Returns a line without blanks around it, and without invisible characters.
pub(super) fn cleaned(line: &str) -> String {
    let is_invisible = |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let visible: String =
        line.chars().filter(|c| !is_invisible(*c) && (*c == '\t' || !c.is_control())).collect();
    visible.trim().to_owned()
}

/// Returns whether a line has the mark of a quote: `>`, `|`, or `AB>` with the initials of its author.
fn is_quoted(line: &str) -> bool {
    let initials = line.bytes().take(3).take_while(u8::is_ascii_alphabetic).count();
    line.starts_with('|') || line[initials..].starts_with('>')
}

/// Returns whether a line begins a signature, or the header of a quoted mail.
fn ends(line: &str) -> bool {
    let plain = line.trim_start_matches(['*', '_', ' ']);
    let is_from = plain.split_once([':', '：']).is_some_and(|(name, _)| {
        let name = name.trim_end_matches(['*', '_', ' ', '\u{a0}']);
        name.len() <= 40 && FROM.contains(&name.to_lowercase().as_str())
    });
    is_from || matches!(line, "--" | "—" | "–")
}

/// Returns whether a quote follows a line, and if so, how many of the lines before it are the beginning of the same folded
/// line.
fn introduces(line: &str, before: &[String], is_command: bool) -> Option<usize> {
    // "--- Original Message ---", and Outlook's line of underscores
    if line.starts_with("---") || line.starts_with("___") {
        return Some(0);
    }
    line.strip_suffix([':', '：'])?;
    let is_one = |folded: usize| {
        let text = [&before[before.len() - folded..].join(" "), line].join(" ").to_lowercase();
        let has_date = has_digit(&text);
        let names_author = text.contains('@') && has_date && !is_command;
        let has_word = has_word(&text) && (folded == 0 || names_author);
        (has_word || folded == 0 && names_author || text.contains("begin forwarded message:"))
            .then_some(has_date)
    };
    let found = (0..=before.len()).filter_map(|folded| is_one(folded).map(|has_date| (folded, has_date)));
    // The whole line has a date.
    let found: Vec<_> = found.collect();
    let whole = found.iter().find(|(_, has_date)| *has_date).or(found.first())?;
    Some(whole.0)
}

/// Returns whether a text in lower case has a word that introduces a quote.
fn has_word(text: &str) -> bool {
    INTRODUCE.iter().any(|word| match word.is_ascii() {
        true => text.split(|c: char| !c.is_alphanumeric()).any(|found| found == *word),
        false => text.contains(word),
    })
}

fn has_digit(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
}

fn is_sent_from(line: &str) -> bool {
    let lower = line.to_lowercase();
    SENT_FROM.iter().any(|beginning| lower.starts_with(beginning))
}
