//! MaxRequestWorkers as Apache itself understands its configuration.

use serde_json::{Value, json};

use super::super::support::apache::{APACHE, ApacheBox, PREFORK, Site};
use super::super::support::command::finish;
use super::super::support::place::soon;
use super::{group, list, notes, workers};
use crate::apache_box;

const FEW: &str = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\n";

/// A small event MPM, with 25 threads per process unless the test changes that.
const LITTLE: &str = "StartServers 1\nMinSpareThreads 1\nMaxSpareThreads 75\n";

/// Stops what runs, so that the next one can begin.
pub fn stop(place: &ApacheBox, site: &Site, master: u32) {
    place.kill("TERM", master);
    soon("the end of Apache", || {
        !place.is_alive(master) && !place.has(&format!("{}/httpd.pid", site.name))
    });
}

/// Checks that a site with this text at the end of its configuration has this maximum of workers,
/// set by the line with this text.
#[track_caller]
fn has(place: &ApacheBox, site: &Site, text: &str, expected: u64, at: Option<&str>) -> Value {
    let master = site.start(text);
    let block = place.block(&[]);
    let configuration = &block["configuration"];
    assert_eq!(configuration["path"], site.path(), "{text}: {block:#}");
    assert_eq!(configuration["mpm"], site.mpm, "{text}: {block:#}");
    assert_eq!(configuration["max_request_workers"], expected, "{text}: {block:#}");
    let at = at.map(|at| if at.starts_with('/') { at.to_owned() } else { site.at(at) });
    assert_eq!(configuration["at"], json!(at), "{text}: {block:#}");
    let threads = configuration["threads_per_child"].as_u64().expect("finding a number");
    assert_eq!(configuration["processes"], expected / threads, "{text}: {block:#}");
    stop(place, site, master);
    block
}

#[test]
fn prefork_has_as_many_workers_as_both_limits_allow() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let cases = [
        ("", 256, None),
        ("MaxRequestWorkers 5\n", 5, Some("MaxRequestWorkers 5")),
        ("MaxRequestWorkers 5\nMaxRequestWorkers 6\n", 6, Some("MaxRequestWorkers 6")),
        ("ServerLimit 20\nMaxRequestWorkers 10\n", 10, Some("MaxRequestWorkers 10")),
        ("maxrequestworkers 10\nserverlimit 20\n", 10, Some("maxrequestworkers 10")),
        ("MaxClients 7\n", 7, Some("MaxClients 7")),
        ("  MaxRequestWorkers\t \"8\"\n", 8, Some("\"8\"")),
        ("# MaxRequestWorkers 9\n", 256, None),
        ("MaxRequestWorkers \\\n  11\n", 11, Some("MaxRequestWorkers")),
    ];
    for (text, expected, at) in cases {
        let block = has(&place, &site, &format!("{FEW}{text}"), expected, at);
        assert_eq!(block["configuration"]["threads_per_child"], 1, "{block:#}");
    }
}

/// Checks the maximum of a site whose ServerLimit is lower. The line that set it is not checked,
/// because two lines have made it.
#[track_caller]
fn is_limited(place: &ApacheBox, site: &Site, text: &str, expected: u64) {
    let master = site.start(text);
    let block = place.block(&[]);
    assert_eq!(block["configuration"]["max_request_workers"], expected, "{text}: {block:#}");
    stop(place, site, master);
}

#[test]
fn server_limit_holds_against_max_request_workers() {
    let place = apache_box!();
    let prefork = place.site("one", "prefork", 8080);
    is_limited(&place, &prefork, &format!("{FEW}ServerLimit 4\nMaxRequestWorkers 10\n"), 4);
    is_limited(&place, &prefork, &format!("{FEW}MaxRequestWorkers 300\n"), 256);
    is_limited(&place, &prefork, &format!("{FEW}ServerLimit 300\nMaxRequestWorkers 300\n"), 300);
    let event = place.site("two", "event", 8081);
    is_limited(
        &place,
        &event,
        &format!("{LITTLE}ServerLimit 4\nThreadsPerChild 5\nMaxRequestWorkers 100\n"),
        20,
    );
    is_limited(
        &place,
        &event,
        &format!("{LITTLE}ServerLimit 4\nThreadsPerChild 5\nMaxRequestWorkers 12\n"),
        10,
    );
    is_limited(&place, &event, &format!("{LITTLE}ServerLimit 4\nMaxRequestWorkers 50\n"), 50);
    is_limited(&place, &event, &format!("{LITTLE}ThreadsPerChild 5\n"), 80);
}

#[test]
fn event_and_worker_have_the_same_defaults() {
    let place = apache_box!();
    for (name, mpm, port) in [("one", "event", 8080), ("two", "worker", 8081)] {
        let block = has(&place, &place.site(name, mpm, port), LITTLE, 400, None);
        assert_eq!(block["configuration"]["threads_per_child"], 25, "{block:#}");
        assert_eq!(block["configuration"]["processes"], 16, "{block:#}");
    }
}

#[test]
fn sections_count_when_their_conditions_hold() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let cases = [
        ("<IfModule mpm_prefork_module>\nMaxRequestWorkers 5\n</IfModule>\n", 5),
        ("<IfModule mpm_event_module>\nMaxRequestWorkers 5\n</IfModule>\nMaxRequestWorkers 6\n", 6),
        ("MaxRequestWorkers 6\n<IfModule mpm_event_module>\nMaxRequestWorkers 5\n</IfModule>\n", 6),
        (
            "MaxRequestWorkers 6\n<IfModule !mpm_event_module>\nMaxRequestWorkers 5\n</IfModule>\n",
            5,
        ),
        (
            "MaxRequestWorkers 6\n<IfModule !mpm_prefork_module>\nMaxRequestWorkers \
            5\n</IfModule>\n",
            6,
        ),
        ("MaxRequestWorkers 6\n<IfModule prefork.c>\nMaxRequestWorkers 5\n</IfModule>\n", 5),
        (
            "MaxRequestWorkers 6\n<IfModule wsgi_module>\n<IfModule \
            nosuch_module>\nMaxRequestWorkers 5\n</IfModule>\n\
          </IfModule>\n",
            6,
        ),
        (
            "MaxRequestWorkers 6\n<IfModule nosuch_module>\n<IfModule \
            wsgi_module>\nMaxRequestWorkers 5\n</IfModule>\n\
          </IfModule>\n",
            6,
        ),
        (
            "Define SMALL\nMaxRequestWorkers 6\n<IfDefine SMALL>\nMaxRequestWorkers \
            5\n</IfDefine>\n",
            5,
        ),
        ("MaxRequestWorkers 6\n<IfDefine SMALL>\nMaxRequestWorkers 5\n</IfDefine>\n", 6),
        ("MaxRequestWorkers 6\n<IfDefine !SMALL>\nMaxRequestWorkers 5\n</IfDefine>\n", 5),
        (
            "Define SMALL\nUnDefine SMALL\nMaxRequestWorkers 6\n<IfDefine \
            SMALL>\nMaxRequestWorkers 5\n</IfDefine>\n",
            6,
        ),
    ];
    for (text, expected) in cases {
        let at = format!("MaxRequestWorkers {expected}");
        has(&place, &site, &format!("{FEW}{text}"), expected, Some(&at));
    }
}

#[test]
fn a_definition_of_the_command_line_counts() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let text =
        format!("{FEW}MaxRequestWorkers 6\n<IfDefine SMALL>\nMaxRequestWorkers 5\n</IfDefine>\n");
    site.write("httpd.conf", site.configuration(&text));
    for option in ["-D SMALL", "-DSMALL"] {
        let master =
            site.start_by(&format!("{APACHE} {option} -d /mnt/one -f /mnt/one/httpd.conf"));
        assert_eq!(place.block(&[])["configuration"]["max_request_workers"], 5, "{option}");
        stop(&place, &site, master);
    }
}

#[test]
fn variables_are_expanded() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let at = "MaxRequestWorkers ${";
    has(
        &place,
        &site,
        &format!("{FEW}Define LIMIT 9\nMaxRequestWorkers ${{LIMIT}}\n"),
        9,
        Some(at),
    );
    has(
        &place,
        &site,
        &format!("{FEW}Define ONE 1\nMaxRequestWorkers ${{ONE}}${{ONE}}\n"),
        11,
        Some(at),
    );
    let text = format!("{FEW}Define DIR conf.d\nInclude ${{DIR}}/*.conf\n");
    site.write("conf.d/a.conf", "\nMaxRequestWorkers 12\n");
    has(&place, &site, &text, 12, Some("/mnt/one/conf.d/a.conf:2"));
}

/// Reports whether the text is understood as Apache does; otherwise it must be unknown.
fn is_or_is_unknown(place: &ApacheBox, site: &Site, text: &str, expected: u64) -> bool {
    let master = site.start(text);
    let block = place.block(&[]);
    let found = &block["configuration"]["max_request_workers"];
    stop(place, site, master);
    *found == expected || found.is_null() && !notes(&block).is_empty()
}

#[test]
fn what_is_not_understood_does_not_make_a_wrong_value() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let modules = "/usr/lib/apache2/modules";
    let cases = [
        // Modules that are part of the program.
        ("<IfModule so_module>", "</IfModule>", 5),
        ("<IfModule mod_log_config.c>", "</IfModule>", 5),
        ("<IfModule !core_module>", "</IfModule>", 6),
        ("<IfVersion >= 2.4>", "</IfVersion>", 5),
        ("<IfVersion < 2.4>", "</IfVersion>", 6),
        ("<IfFile /etc/passwd>", "</IfFile>", 5),
        ("<IfFile /nosuch>", "</IfFile>", 6),
        ("<IfDirective MaxRequestWorkers>", "</IfDirective>", 5),
        // The file does not exist yet.
        (
            "<IfModule status_module>",
            &format!("</IfModule>\nLoadModule status_module {modules}/mod_status.so"),
            6,
        ),
        (&format!("LoadModule macro_module {modules}/mod_macro.so\n<Macro Never>"), "</Macro>", 6),
        (
            &format!("LoadModule macro_module {modules}/mod_macro.so\n<Macro Few>"),
            "</Macro>\nUse Few",
            5,
        ),
    ];
    let is_wrong = |&(begin, end, expected): &(&str, &str, u64)| {
        let text = format!("{FEW}MaxRequestWorkers 6\n{begin}\nMaxRequestWorkers 5\n{end}\n");
        !is_or_is_unknown(&place, &site, &text, expected)
    };
    assert_eq!(cases.into_iter().filter(is_wrong).collect::<Vec<_>>(), []);
}

#[test]
fn directives_of_the_command_line_count_or_the_value_is_unknown() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(&format!("{FEW}MaxRequestWorkers 6\n")));
    for (options, expected) in [("-c \"MaxRequestWorkers 3\"", 3), ("-C \"Define LIMIT 4\"", 6)] {
        let master =
            site.start_by(&format!("{APACHE} {options} -d /mnt/one -f /mnt/one/httpd.conf"));
        let block = place.block(&[]);
        let found = &block["configuration"]["max_request_workers"];
        assert!(
            *found == expected || found.is_null() && !notes(&block).is_empty(),
            "{options}: {block:#}"
        );
        stop(&place, &site, master);
    }
}

#[test]
fn a_process_has_no_more_threads_than_their_limit() {
    let place = apache_box!();
    let event = place.site("one", "event", 8080);
    // 64 is the default limit.
    let above = format!("{LITTLE}ServerLimit 2\nThreadsPerChild 100\nMaxRequestWorkers 200\n");
    event.write("httpd.conf", event.configuration(&above));
    place.shell(&format!(
        "{APACHE} -d /mnt/one -f /mnt/one/httpd.conf -k start >/dev/null 2>&1 </dev/null"
    ));
    let worker = || {
        place.read("one/httpd.pid").parse().map(|master| place.children(master)).unwrap_or_default()
    };
    soon("64 threads", || worker().iter().any(|&pid| place.threads(pid) == 66));
    let block = place.block(&[]);
    let found = &block["configuration"]["max_request_workers"];
    assert!(*found == 128 || found.is_null() && !notes(&block).is_empty(), "{block:#}");
}

#[test]
fn a_variable_of_the_environment_is_expanded_or_its_value_unknown() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write(
        "httpd.conf",
        site.configuration(&format!("{FEW}MaxRequestWorkers ${{FROM_OUTSIDE}}\n")),
    );
    site.start_by(&format!("FROM_OUTSIDE=9 {APACHE} -d /mnt/one -f /mnt/one/httpd.conf"));
    let block = place.block(&[]);
    let found = &block["configuration"]["max_request_workers"];
    assert!(*found == 9 || found.is_null() && !notes(&block).is_empty(), "{block:#}");
}

#[test]
fn included_files_are_read_in_the_order_of_their_names() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    for (name, value) in [("30.conf", 30), ("10.conf", 10), ("20.conf", 20), ("40.txt", 40)] {
        site.write(&format!("conf.d/{name}"), format!("MaxRequestWorkers {value}\n"));
    }
    site.write("more/sub/a.conf", "# none\nMaxRequestWorkers 50\n");
    let cases = [
        ("Include conf.d/*.conf\n", 30, "/mnt/one/conf.d/30.conf:1"),
        ("IncludeOptional conf.d/[12]0.conf\n", 20, "/mnt/one/conf.d/20.conf:1"),
        ("Include /mnt/one/conf.d/10.conf\n", 10, "/mnt/one/conf.d/10.conf:1"),
        ("IncludeOptional nosuch/*.conf\nInclude conf.d/40.txt\n", 40, "/mnt/one/conf.d/40.txt:1"),
        ("Include more/*/*.conf\n", 50, "/mnt/one/more/sub/a.conf:2"),
        ("Include more\n", 50, "/mnt/one/more/sub/a.conf:2"),
        ("Include conf.d/*.conf\nMaxRequestWorkers 60\n", 60, "MaxRequestWorkers 60"),
    ];
    for (text, expected, at) in cases {
        has(&place, &site, &format!("{FEW}{text}"), expected, Some(at));
    }
}

#[test]
fn the_options_of_the_command_line_say_where_the_configuration_is() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let text = site.configuration(&format!("{FEW}MaxRequestWorkers 5\n"));
    site.write("httpd.conf", &text);
    site.write("apache2.conf", &text);
    site.write("conf/httpd.conf", &text);
    let cases = [
        ("-d /mnt/one -f /mnt/one/httpd.conf", "/mnt/one/httpd.conf"),
        ("-d/mnt/one -f/mnt/one/httpd.conf", "/mnt/one/httpd.conf"),
        ("-f /mnt/one/httpd.conf", "/mnt/one/httpd.conf"),
        ("-d /mnt/one -f httpd.conf", "/mnt/one/httpd.conf"),
        ("-f conf/httpd.conf -d /mnt/one", "/mnt/one/conf/httpd.conf"),
        ("-d /mnt/one", "/mnt/one/apache2.conf"),
    ];
    for (options, path) in cases {
        let master = site.start_by(&format!("{APACHE} {options}"));
        let block = place.block(&[]);
        assert_eq!(block["configuration"]["path"], path, "{options}: {block:#}");
        assert_eq!(block["configuration"]["max_request_workers"], 5, "{options}: {block:#}");
        stop(&place, &site, master);
    }
}

#[test]
fn the_default_configuration_is_that_of_debian() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let text = site.configuration(&format!("{FEW}MaxRequestWorkers 5\n"));
    site.write("httpd.conf", &text);
    place.shell("mkdir -p /etc/apache2 && cp /mnt/one/httpd.conf /etc/apache2/apache2.conf");
    site.start_by(APACHE);
    let block = place.block(&[]);
    assert_eq!(block["configuration"]["path"], "/etc/apache2/apache2.conf", "{block:#}");
    assert_eq!(block["configuration"]["max_request_workers"], 5, "{block:#}");
}

/// Returns the block after the configuration has become useless.
#[track_caller]
fn does_without(place: &ApacheBox) -> Value {
    let block = place.block(&[]);
    assert!(block["configuration"]["max_request_workers"].is_null(), "{block:#}");
    assert!(!notes(&block).is_empty(), "{block:#}");
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    place.memory(&[]).succeeds();
    block
}

#[test]
fn a_configuration_that_cannot_be_read_is_unknown() {
    let place = apache_box!();
    place.site("one", "prefork", 8080).start(PREFORK);
    for script in ["rm", "mkdir", "rmdir; mkfifo", "rm; ln -s httpd.conf"] {
        place.shell(
            &script
                .split("; ")
                .map(|command| format!("{command} /mnt/one/httpd.conf\n"))
                .collect::<String>(),
        );
        does_without(&place);
    }
}

#[test]
fn bytes_that_are_no_configuration_are_survived() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.start(PREFORK);
    let long = vec![b'x'; 1 << 20];
    let loops = b"Include httpd.conf\n".to_vec();
    let open = b"<IfModule mpm_prefork_module>\nMaxRequestWorkers 5".to_vec();
    for bytes in
        [b"\0\xff\x1b[31m\n<<>>\n</IfModule>\nMaxRequestWorkers many\n".to_vec(), long, loops, open]
    {
        site.write("httpd.conf", bytes);
        place.memory(&["--json"]).succeeds();
        place.memory(&[]).succeeds();
    }
}

#[test]
fn a_configuration_without_end_does_not_hold_it_up() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.start(PREFORK);
    let texts = [
        "<IfModule core.c>\n".repeat(200_000),
        "MaxRequestWorkers \\\n".repeat(200_000),
        "Include httpd.conf\nIncludeOptional *.conf\n".repeat(50),
        "IncludeOptional */*/*/../*/*/../../*/*.conf\n".repeat(2000),
        "Define A ${A}${A}\n".repeat(200),
        format!("Define A x\n{}ServerName ${{A}}\n", "Define A ${A}${A}\n".repeat(60)),
        format!(
            "Define A {}\n{}",
            "x".repeat(8000),
            "ServerName ${A}${A}${A}${A}${A}${A}${A}${A}\n".repeat(5000)
        ),
    ];
    let holds_it_up = |text: &String| {
        site.write("httpd.conf", text);
        finish(place.tool(&[], &["--json"])).code() != 0
    };
    let begin = |text: String| text.chars().take(40).collect::<String>();
    let found: Vec<String> = texts.into_iter().filter(holds_it_up).map(begin).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_named_pipe_that_is_included_does_not_hold_it_up() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("conf.d/10.conf", "# nothing\n");
    site.start(&format!("{PREFORK}Include conf.d/*.conf\n"));
    place.shell("rm /mnt/one/conf.d/10.conf && mkfifo /mnt/one/conf.d/10.conf");
    let block = place.block(&[]);
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    assert!(!notes(&block).is_empty(), "{block:#}");
}

#[test]
fn an_included_file_that_is_gone_makes_the_rest_no_less_known() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("conf.d/10.conf", "MaxRequestWorkers 9\n");
    let groups = "WSGIDaemonProcess alpha threads=1 display-name=%{GROUP}\n";
    site.start(&format!("{PREFORK}{groups}Include conf.d/10.conf\n"));
    std::fs::remove_file(place.path("one/conf.d/10.conf")).expect("removing the end of a file");
    let block = place.block(&[]);
    assert_eq!(group(&block, "wsgi", "alpha")["processes"], 1, "{block:#}");
    // The file that is missing might have said something else.
    let found = &block["configuration"]["max_request_workers"];
    assert!(found.is_null() || *found == 5, "{block:#}");
    assert!(!list(&block["notes"]).is_empty(), "{block:#}");
}

#[test]
fn the_configuration_is_read_below_the_root_of_the_server() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let master = site.start(&format!("{FEW}MaxRequestWorkers 5\n"));
    // Seen from outside, /mnt is something else.
    let outcome = place.memory_from_outside(&["--json"]).succeeds();
    let block =
        super::super::support::apache::only(super::super::support::apache::blocks(&outcome));
    assert_eq!(
        (&block["pid"], &block["configuration"]["max_request_workers"]),
        (&json!(master), &json!(5)),
        "{block:#}"
    );
}

#[test]
fn without_openat2_the_configuration_is_the_same() {
    let place = apache_box!(ApacheBox::needing(&["strace"]));
    let site = place.site("one", "prefork", 8080);
    site.start(&format!("{FEW}MaxRequestWorkers 5\nIncludeOptional extra/*.conf\n"));
    let expected = place.block(&[])["configuration"].clone();
    assert_eq!(expected["max_request_workers"], 5, "{expected:#}");
    for error in ["ENOSYS", "EPERM"] {
        let inject = format!("inject=openat2:error={error}");
        let denied =
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=openat2", "-e", &inject];
        let outcome = place.memory_by(&denied, &["--json"]).succeeds();
        let block =
            super::super::support::apache::only(super::super::support::apache::blocks(&outcome));
        assert_eq!(block["configuration"], expected, "{error}");
    }
}
