//! A page of the documentation, which a test follows.

/// Returns each indented block of a page, without its indent, and the line of text before it.
pub fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut before = "";
    let mut within = false;
    for line in page.lines() {
        let code = line.strip_prefix("    ");
        match code {
            Some(code) if within => blocks.last_mut().unwrap().1.push_str(code),
            Some(code) => blocks.push((before.to_owned(), code.to_owned())),
            None if line.is_empty() && within => {}
            None => {
                within = false;
                if !line.is_empty() {
                    before = line;
                }
                continue;
            }
        }
        within = true;
        blocks.last_mut().unwrap().1.push('\n');
    }
    for (_, block) in &mut blocks {
        block.truncate(block.trim_end().len());
        block.push('\n');
    }
    blocks
}
