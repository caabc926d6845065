//! The man pages in man/ are made from the definitions of the command line, and this holds them to it.
//!
//! `PROCTOOL_WRITE_MAN=1 cargo test manual` writes them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::applets::{APPLETS, documented, program};

/// Of the last change that a reader should know of.
const DATE: &str = "2026-11-25";

const WRITE: &str = "PROCTOOL_WRITE_MAN";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man")
}

/// Every page: its name and its command.
fn pages() -> Vec<(String, Command)> {
    let applets = APPLETS.iter().map(|applet| (format!("proctool-{}", applet.name), documented(applet)));
    std::iter::once(("proctool".to_owned(), program())).chain(applets).collect()
}

/// A page. The paragraphs behind the options, each under its title, become sections.
fn render(name: &str, command: Command) -> String {
    let sections = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let command = command.display_name(name.to_owned());
    let has_applets = command.has_subcommands();
    let usage = command.clone().render_usage().to_string();
    let man = Man::new(command);
    let mut page = Vec::new();
    let mut title = Roff::new();
    title.control("TH", [name.to_uppercase().as_str(), "1", DATE, "proctool", "User Commands"]);
    title.to_writer(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    section(&usage.replace("Usage: ", "Synopsis:\n")).to_writer(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    if has_applets {
        man.render_subcommands_section(&mut page).unwrap();
    }
    for paragraph in sections.unwrap_or_default().split("\n\n") {
        section(paragraph).to_writer(&mut page).unwrap();
    }
    String::from_utf8(page).unwrap()
}

fn section(paragraph: &str) -> Roff {
    let (title, body) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
    let title = title.split([':', ',']).next().unwrap_or_default();
    let mut roff = Roff::new();
    roff.control("SH", [title.to_uppercase().as_str()]);
    roff.control("nf", []);
    for line in body.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

#[test]
fn the_pages_match_the_program() {
    for (name, command) in pages() {
        let path = directory().join(format!("{name}.1"));
        let page = render(&name, command);
        if std::env::var_os(WRITE).is_some() {
            fs::write(&path, &page).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page, "{} is not what the program says: {WRITE}=1 cargo test manual", path.display());
    }
}

#[test]
fn every_page_belongs_to_a_command_and_names_all_its_options() {
    let expected: BTreeSet<String> = pages().iter().map(|(name, _)| format!("{name}.1")).collect();
    let found = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    for (name, command) in pages() {
        let page = fs::read_to_string(directory().join(format!("{name}.1"))).unwrap().replace("\\-", "-");
        for long in command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set())
            .filter_map(|argument| argument.get_long())
        {
            assert!(page.contains(&format!("--{long}")), "{name}: --{long}");
        }
    }
}
