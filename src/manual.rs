//! The man pages in man/ are generated from the definitions of the command line, and tests here
//! compare the two.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::applets::{APPLETS, Applet, ManSection, documented, program};

/// Date of the last change that matters to a reader.
const DATE: &str = "2026-11-28";

const VERSION: &str = concat!("proctool ", env!("CARGO_PKG_VERSION"));

const WRITE: &str = "PROCTOOL_WRITE_MAN";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man")
}

/// A man page.
struct Page {
    /// Name of the command: users look for a page by the name that they call.
    name: String,
    section: ManSection,
    command: Command,
}

impl Page {
    fn new(applet: &Applet) -> Page {
        let name = applet
            .links
            .first()
            .map_or_else(|| format!("proctool-{}", applet.name), |link| (*link).to_owned());
        Page { name, section: applet.section, command: documented(applet) }
    }

    fn file(&self) -> String {
        format!("{}.{}", self.name, self.section.number())
    }

    /// Returns the page as other pages refer to it: `proctool-tree(1)`.
    fn reference(&self) -> String {
        format!("{}({})", self.name, self.section.number())
    }
}

impl ManSection {
    fn number(self) -> &'static str {
        match self {
            ManSection::Commands => "1",
            ManSection::Administration => "8",
        }
    }

    fn title(self) -> &'static str {
        match self {
            ManSection::Commands => "User Commands",
            ManSection::Administration => "System Administration",
        }
    }
}

fn pages() -> Vec<Page> {
    let program =
        Page { name: "proctool".to_owned(), section: ManSection::Commands, command: program() };
    std::iter::once(program).chain(APPLETS.iter().map(|applet| Page::new(applet))).collect()
}

/// Returns the source of a page. The paragraphs behind the options, each below its title, become
/// sections.
fn render(page: Page) -> String {
    let Page { name, section: man_section, command } = page;
    let sections =
        command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let command = with_aliases(command.display_name(name.clone()));
    let has_applets = command.has_subcommands();
    // The name of its link, where it has one.
    let usage =
        command.clone().bin_name(name.replace("proctool-", "proctool ")).render_usage().to_string();
    let man = Man::new(command);
    let mut text = Vec::new();
    let mut heading = Roff::new();
    heading.control(
        "TH",
        [name.to_uppercase().as_str(), man_section.number(), DATE, VERSION, man_section.title()],
    );
    heading.to_writer(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    section(&usage.replace("Usage: ", "Synopsis:\n")).to_writer(&mut text).unwrap();
    man.render_description_section(&mut text).unwrap();
    man.render_options_section(&mut text).unwrap();
    if has_applets {
        applets().to_writer(&mut text).unwrap();
    }
    let sections = sections.unwrap_or_default();
    let (before, examples): (Vec<&str>, Vec<&str>) =
        sections.split("\n\n").partition(|paragraph| !is_behind_more(paragraph));
    let more = more(&name).split("\n\n").filter(|paragraph| !paragraph.is_empty());
    for paragraph in before.into_iter().chain(more).chain(examples) {
        section(paragraph).to_writer(&mut text).unwrap();
    }
    if has_applets {
        copyright().to_writer(&mut text).unwrap();
    }
    wrapped(&String::from_utf8(text).unwrap())
}

/// Returns the paragraphs that only a man page has: those that would make the help too long.
fn more(name: &str) -> &'static str {
    match name {
        "cron-graceful" => include_str!("applets/cron_graceful/json.txt").trim_ascii_end(),
        _ => "",
    }
}

/// Reports whether a paragraph stands at the end of a page.
fn is_behind_more(paragraph: &str) -> bool {
    ["Examples:", "See also:"].iter().any(|title| paragraph.starts_with(title))
}

/// Returns the licence, which is the end of README.
fn copyright() -> Roff {
    let readme = include_str!("../README.md");
    let at = readme.find("\nCopyright (c)").unwrap();
    let mut roff = Roff::new();
    roff.control("SH", ["COPYRIGHT"]);
    for (at, paragraph) in readme[at..].trim().split("\n\n").enumerate() {
        if at > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph.replace('\n', " "))]);
    }
    roff
}

/// Returns the list of applets, with a reference to the page of each.
fn applets() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["APPLETS"]);
    for (applet, page) in APPLETS.iter().map(|applet| (applet, Page::new(applet))) {
        roff.control("TP", []);
        roff.text([bold(applet.name)]);
        roff.text([roman(format!("{}, see {}", applet.about, page.reference()))]);
    }
    roff
}

/// Wraps lines of the source to the width of a terminal, as mandoc wants. In a block that is not
/// filled, `\c` joins the parts.
fn wrapped(page: &str) -> String {
    const LONGEST: usize = 78;
    let mut text = String::new();
    let mut is_kept = false;
    for mut line in page.lines() {
        is_kept = is_kept && line != ".fi" || line == ".nf";
        while line.len() > LONGEST && !line.starts_with('.') {
            let Some(at) = end_of_line(line, LONGEST - 2) else { break };
            let (start, rest) = line.split_at(at);
            text += start;
            text += if is_kept { " \\c\n" } else { "\n" };
            line = rest.trim_start();
        }
        text += line;
        text.push('\n');
    }
    text
}

/// Returns the last blank before `limit` at which a line can end. The rest must not begin as a
/// request, nor with a blank, which has a meaning.
fn end_of_line(line: &str, limit: usize) -> Option<usize> {
    let can_end = |at: &usize| {
        *at > 0 && line[at + 1..].starts_with(|next: char| next.is_ascii_alphanumeric())
    };
    line.match_indices(' ').map(|(at, _)| at).take_while(|at| *at < limit).filter(can_end).last()
}

/// Returns the section of a paragraph of the help: a title, and below it lines to keep, or rows of
/// a table and prose.
fn section(paragraph: &str) -> Roff {
    let (title, body) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
    let title = title.split([':', ',']).next().unwrap_or_default();
    let mut roff = Roff::new();
    roff.control("SH", [title.to_uppercase().as_str()]);
    match title {
        // The help indents the second line of a usage to stand below the first.
        "Synopsis" => kept(&mut roff, body.lines().map(str::trim_start)),
        "Examples" | "JSON examples" | "Example of JSON" => {
            kept(&mut roff, body.lines().map(|line| line.strip_prefix(MARGIN).unwrap_or(line)))
        }
        _ => filled(&mut roff, &entries(body)),
    }
    roff
}

/// Indentation of the lines below a title of the help.
const MARGIN: &str = "  ";

fn kept<'a>(roff: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

/// A row of a table; or prose, which has no names.
#[derive(Default)]
struct TableEntry<'a> {
    /// Names, one a line as in the help.
    names: Vec<&'a str>,
    text: String,
}

/// Parses the lines below a title of the help. In a row of a table, two or more blanks divide the
/// name from its text, and the text goes on in lines that begin with more blanks than the name. If
/// a row has several names, each line of them but the last ends with a comma.
fn entries(body: &str) -> Vec<TableEntry<'_>> {
    let mut entries: Vec<TableEntry> = Vec::new();
    for line in body.lines().map(|line| line.strip_prefix(MARGIN).unwrap_or(line)) {
        let (name, text) = line.split_once("  ").unwrap_or((line, ""));
        let last = entries.last_mut();
        match last {
            Some(last) if line.starts_with(' ') => {
                let blank = if last.text.is_empty() { "" } else { " " };
                last.text += &format!("{blank}{}", line.trim_start());
            }
            Some(last) if last.names.last().is_some_and(|name| name.ends_with(',')) => {
                last.names.push(name)
            }
            _ => entries.push(TableEntry { names: vec![name], text: text.trim_start().to_owned() }),
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.text.is_empty()) {
        entry.text = entry.names.drain(..).collect();
    }
    entries
}

/// Appends rows and prose. The column of names is as wide as most names; longer names stand above
/// their text.
fn filled(roff: &mut Roff, entries: &[TableEntry<'_>]) {
    const LONG: usize = 16;
    let widths = entries.iter().flat_map(|entry| &entry.names).map(|name| name.len());
    let width = (widths.filter(|width| *width < LONG).max().unwrap_or(LONG - 2) + 2).to_string();
    let mut is_in_table = false;
    for (at, entry) in entries.iter().enumerate() {
        let is_row = !entry.names.is_empty();
        if is_row && !is_in_table {
            roff.control("PD", ["0"]);
        } else if !is_row && is_in_table {
            roff.control("PD", []);
        }
        is_in_table = is_row;
        if !is_row && at > 0 {
            roff.control("PP", []);
        }
        for (at, name) in entry.names.iter().enumerate() {
            if at == 0 {
                roff.control("TP", [width.as_str()])
            } else {
                roff.control("TQ", [])
            };
            roff.text([roman(*name)]);
        }
        roff.text([roman(entry.text.as_str())]);
    }
    if is_in_table {
        roff.control("PD", []);
    }
}

/// Appends the other names of an option to its help, as clap's help does.
fn with_aliases(command: Command) -> Command {
    command.mut_args(|argument| {
        let aliases = argument.get_visible_aliases().unwrap_or_default();
        match (aliases.as_slice(), argument.get_help()) {
            ([], _) | (_, None) => argument,
            (aliases, Some(help)) => {
                let help = format!("{help} [alias: --{}]", aliases.join(", --"));
                argument.help(help)
            }
        }
    })
}

#[test]
fn the_pages_match_the_program() {
    for page in pages() {
        let path = directory().join(page.file());
        let text = render(page);
        if std::env::var_os(WRITE).is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "{} is not what the program says: {WRITE}=1 cargo test manual",
            path.display()
        );
    }
}

#[test]
fn every_page_belongs_to_a_command_and_names_all_its_options() {
    let expected: BTreeSet<String> = pages().iter().map(Page::file).collect();
    let found = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    for page in pages() {
        let text = fs::read_to_string(directory().join(page.file())).unwrap().replace("\\-", "-");
        for argument in page.command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let aliases = argument.get_visible_aliases().unwrap_or_default();
            for long in argument.get_long().into_iter().chain(aliases) {
                assert!(text.contains(&format!("--{long}")), "{}: --{long}", page.name);
            }
        }
    }
}

#[test]
fn pages_that_pages_refer_to_are_there() {
    let pages: Vec<String> = pages().iter().map(Page::reference).collect();
    let applets: Vec<&str> = APPLETS.iter().map(|applet| applet.name).collect();
    for page in self::pages() {
        let text = render(page).replace("\\-", "-");
        let references =
            text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-()".contains(letter)));
        for reference in references.filter(|word| word.ends_with(')')) {
            let name = reference.split('(').next().unwrap_or_default();
            let is_ours =
                name.starts_with("proctool") || applets.contains(&name) && name.contains('-');
            assert!(!is_ours || pages.iter().any(|page| page == reference), "{reference}");
        }
    }
}

/// Checks lines that are not filled, and the names of rows.
#[test]
fn pages_fit_into_80_columns() {
    const COLUMNS: usize = 80 - 7;
    for page in pages() {
        let name = page.name.clone();
        let text = render(page).replace(" \\c\n", " ");
        let mut is_kept = false;
        let mut last = "";
        for line in text.lines() {
            is_kept = is_kept && line != ".fi" || line == ".nf";
            if is_kept || last.starts_with(".TP") || last == ".TQ" {
                let columns = shown(line).chars().count();
                assert!(columns <= COLUMNS, "{name}: {columns} columns: {line}");
            }
            last = line;
        }
    }
}

/// Returns the text that a terminal shows of a line.
fn shown(line: &str) -> String {
    ["\\fB", "\\fI", "\\fR"]
        .iter()
        .fold(line.to_owned(), |line, font| line.replace(font, ""))
        .replace("\\*(Aq", "'")
        .replace('\\', "")
}

/// clap wraps lines without knowledge of columns, so that only prose may be longer.
#[test]
fn tables_of_the_help_fit_into_80_columns() {
    for page in pages() {
        let notes = page.command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        for line in notes.lines().filter(|line| line.chars().count() > 80) {
            let is_prose = line
                .strip_prefix(MARGIN)
                .is_some_and(|line| !line.starts_with(' ') && !line.contains("  "));
            assert!(is_prose, "{}: {line}", page.name);
        }
    }
}
