//! Groups of workers and of WSGI daemons by number and name, with their processes and threads.

use std::path::Path;

use serde_json::{Value, json};

use super::super::support::apache::{ApacheBox, EVENT, LONG, MODULES, PREFORK, groups, prefork};
use super::super::support::place::soon;
use super::{adds_up, group, list, number, of_role, pids, workers};
use crate::apache_box;

/// Returns the children that hold the socket of the group with this number.
fn holders(place: &ApacheBox, master: u32, number: usize) -> Vec<u32> {
    let path = format!("/wsgi.{master}.0.{number}.sock");
    let sockets = std::fs::read_to_string(place.root(&format!("/proc/{master}/net/unix")))
        .expect("reading its sockets");
    let line = sockets
        .lines()
        .find(|line| line.ends_with(&path))
        .unwrap_or_else(|| panic!("no {path}: {sockets}"));
    let socket = format!("socket:[{}]", line.split_whitespace().nth(6).expect("finding an inode"));
    let holds = |pid: &u32| {
        let files = std::fs::read_dir(place.root(&format!("/proc/{pid}/fd")))
            .expect("listing its files")
            .flatten();
        files.into_iter().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == &*socket)
        })
    };
    place.children(master).into_iter().filter(holds).collect()
}

/// Checks that the WSGI groups of a block are the four, with the right processes.
#[track_caller]
fn has_the_four(place: &ApacheBox, block: &Value, master: u32) {
    let found = of_role(block, "wsgi");
    let expected = [("alpha", 2, 10), (LONG, 1, 4), ("custom", 1, 4), ("noname", 1, 4)];
    assert_eq!(found.len(), expected.len(), "{block:#}");
    for (at, (found, (name, processes, threads))) in found.into_iter().zip(expected).enumerate() {
        assert_eq!(found["name"], name, "{block:#}");
        assert_eq!(found["number"], at + 1, "{block:#}");
        assert_eq!(found["name_is_cut"], false, "{block:#}");
        assert_eq!(
            (&found["processes"], &found["threads"]),
            (&json!(processes), &json!(threads)),
            "{block:#}"
        );
        assert_eq!(pids(found), holders(place, master, at + 1), "{block:#}");
    }
}

#[test]
fn prefork_has_one_thread_a_worker_and_every_group_its_whole_name() {
    let place = apache_box!();
    let master = place.prefork();
    let block = place.block(&[]);
    assert_eq!(
        (&block["program"], &block["kind"], &block["pid"]),
        (&json!("apache2"), &json!("apache"), &json!(master))
    );
    assert_eq!(
        (&block["exe_path"], &block["exe_deleted"]),
        (&json!("/usr/sbin/apache2"), &json!(false))
    );
    assert_eq!(
        (&block["user"], &block["master"]["user"]),
        (&json!("root"), &json!("root")),
        "{block:#}"
    );
    let arguments =
        ["/usr/sbin/apache2", "-d", "/mnt/one", "-f", "/mnt/one/httpd.conf", "-k", "start"];
    assert_eq!(block["cmdline"], json!(arguments), "{block:#}");
    for name in ["unreadable", "unexamined", "ended"] {
        assert_eq!(block[name], 0, "{name}: {block:#}");
    }
    assert_eq!(
        (number(&block["processes"]), number(&block["threads"])),
        (9, 1 + 3 + 10 + 4 + 4 + 4),
        "{block:#}"
    );
    assert_eq!(
        (&workers(&block)["processes"], &workers(&block)["threads"]),
        (&json!(3), &json!(3)),
        "{block:#}"
    );
    assert_eq!(list(&block["groups"])[0]["role"], "worker", "{block:#}");
    has_the_four(&place, &block, master);
    assert!(of_role(&block, "other").is_empty(), "{block:#}");
    adds_up(&block);
}

#[test]
fn every_child_is_in_one_group_and_is_described() {
    let place = apache_box!();
    let master = place.prefork();
    let block = place.block(&[]);
    let mut all: Vec<u32> = list(&block["groups"]).iter().flat_map(pids).collect();
    all.sort_unstable();
    assert_eq!(all, place.children(master), "{block:#}");
    assert_eq!(block["master"]["pid"], master, "{block:#}");
    for member in super::members(&block) {
        let pid = number(&member["pid"]) as u32;
        assert_eq!(number(&member["threads"]), place.threads(pid), "{member:#}");
        assert_eq!(member["user"], if pid == master { "root" } else { "www-data" }, "{member:#}");
        assert!(!member["start_time"].is_null(), "{member:#}");
        let title = member["title"].as_str().expect("finding a title");
        assert!(place.arguments(pid).starts_with(title.trim_end()), "{member:#}");
    }
}

#[test]
fn event_has_many_threads_a_worker() {
    let place = apache_box!();
    let site = place.site("one", "event", 8080);
    let master = site.start(&format!("{EVENT}{}", groups()));
    let block = place.block(&[]);
    assert_eq!(
        (&workers(&block)["processes"], &workers(&block)["threads"]),
        (&json!(2), &json!(14)),
        "{block:#}"
    );
    let configuration = &block["configuration"];
    assert_eq!(configuration["mpm"], "event", "{block:#}");
    assert_eq!(configuration["max_request_workers"], 20, "{block:#}");
    assert_eq!(configuration["threads_per_child"], 5, "{block:#}");
    assert_eq!(configuration["processes"], 4, "{block:#}");
    assert_eq!(configuration["at"], site.at("MaxRequestWorkers"), "{block:#}");
    has_the_four(&place, &block, master);
    adds_up(&block);
}

#[test]
fn the_worker_mpm_is_known_too() {
    let place = apache_box!();
    place.site("one", "worker", 8080).start(EVENT);
    let block = place.block(&[]);
    assert_eq!(block["configuration"]["mpm"], "worker", "{block:#}");
    assert_eq!(block["configuration"]["processes"], 4, "{block:#}");
    assert_eq!(workers(&block)["processes"], 2, "{block:#}");
    assert!(of_role(&block, "wsgi").is_empty(), "{block:#}");
}

#[test]
fn groups_of_virtual_hosts_and_included_files_are_numbered_as_apache_does() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("conf.d/20.conf", "WSGIDaemonProcess second threads=1\n");
    site.write("conf.d/30.conf", "WSGIDaemonProcess third threads=2\n");
    let master = site.start(&format!(
        "{PREFORK}WSGIDaemonProcess first threads=1\nInclude conf.d/*.conf\n<VirtualHost *:8080>\n\
         WSGIDaemonProcess \"fourth of them\" threads=3\n</VirtualHost>\n<IfModule !wsgi_module>\n\
         WSGIDaemonProcess never threads=3\n</IfModule>\nWSGIDaemonProcess fifth threads=4\n"
    ));
    soon("the groups of included files", || place.children(master).len() == 8);
    let block = place.block(&[]);
    let found: Vec<&str> =
        of_role(&block, "wsgi").iter().filter_map(|group| group["name"].as_str()).collect();
    assert_eq!(found, ["first", "second", "third", "fourth of them", "fifth"], "{block:#}");
    for (at, name) in found.into_iter().enumerate() {
        assert_eq!(
            pids(group(&block, "wsgi", name)),
            holders(&place, master, at + 1),
            "{name}: {block:#}"
        );
    }
}

#[test]
fn titles_that_are_cut_to_the_same_do_not_merge_groups() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(&prefork()));
    let master = site.start_by(
        "cp /usr/sbin/apache2 /run/httpd; PATH=/run:$PATH; httpd -d /mnt/one -f \
        /mnt/one/httpd.conf",
    );
    assert!(
        place.children(master).iter().any(|&pid| place.arguments(pid).starts_with("(wsgi ")),
        "no short titles"
    );
    let block = place.block(&[]);
    assert_eq!(
        (&block["program"], &block["exe_path"]),
        (&json!("httpd"), &json!("/run/httpd")),
        "{block:#}"
    );
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    has_the_four(&place, &block, master);
}

#[test]
fn without_a_configuration_groups_are_still_told_apart_by_their_sockets() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let groups = "WSGIDaemonProcess a-really-long-one threads=1 display-name=%{GROUP}\n\
        WSGIDaemonProcess a-really-long-two threads=1 display-name=%{GROUP}\n\
        WSGIDaemonProcess short threads=1 display-name=%{GROUP}\nWSGIDaemonProcess noname threads=1\n";
    let master = site.start(&format!("{PREFORK}{groups}"));
    std::fs::remove_file(place.root("/mnt/one/httpd.conf"))
        .expect("removing the end of the configuration");
    let block = place.block(&[]);
    let found = of_role(&block, "wsgi");
    assert_eq!(found.len(), 4, "{block:#}");
    for (at, found) in found.iter().enumerate() {
        assert_eq!(found["number"], at + 1, "{block:#}");
        assert_eq!(pids(found), holders(&place, master, at + 1), "{block:#}");
    }
    for cut in &found[..2] {
        assert_eq!(
            (&cut["name"], &cut["name_is_cut"]),
            (&json!("a-really-lo"), &json!(true)),
            "{block:#}"
        );
    }
    assert_eq!(
        (&found[2]["name"], &found[2]["name_is_cut"]),
        (&json!("short"), &json!(false)),
        "{block:#}"
    );
    assert_eq!(found[3]["name"], Value::Null, "{block:#}");
    assert!(!super::notes(&block).is_empty(), "{block:#}");
}

/// Stops the master, so that it starts no new processes, and ends some of its children.
fn end(place: &ApacheBox, master: u32, victims: &[u32]) {
    place.kill("STOP", master);
    soon("a stopped master", || place.state(master) == 'T');
    for &pid in victims {
        place.kill("KILL", pid);
        soon("its end", || !place.is_alive(pid));
    }
}

#[test]
fn a_group_without_processes_is_listed_as_empty() {
    let place = apache_box!();
    let master = place.prefork();
    end(&place, master, &holders(&place, master, 3));
    let block = place.block(&[]);
    let custom = group(&block, "wsgi", "custom");
    assert_eq!((&custom["processes"], &custom["threads"]), (&json!(0), &json!(0)), "{block:#}");
    for kind in ["rss", "pss", "uss", "swap"] {
        assert_eq!(custom[kind], Value::Null, "{kind}: {block:#}");
    }
    assert_eq!(number(&block["processes"]), 8, "{block:#}");
    adds_up(&block);
    let text = place.memory(&[]).succeeds();
    let row = text.lines().into_iter().find(|line| line.contains("custom")).expect("finding a row");
    assert!(row.contains("none"), "{}", text.report());
}

#[test]
fn an_apache_without_workers_is_an_answer() {
    let place = apache_box!();
    let master = place.prefork();
    let victims = pids(workers(&place.block(&[])));
    assert_eq!(victims.len(), 3);
    end(&place, master, &victims);
    let block = place.block(&[]);
    assert_eq!(workers(&block)["processes"], 0, "{block:#}");
    assert_eq!(
        (&block["one_more"], &block["more_workers"]),
        (&Value::Null, &Value::Null),
        "{block:#}"
    );
    assert_eq!(number(&block["processes"]), 6, "{block:#}");
    for words in [&[][..], &["--workers"], &["--cheap"]] {
        let text = place.memory(words).succeeds();
        assert!(text.text().contains("none"), "{}", text.report());
    }
    place.memory(&["--openmetrics"]).succeeds();
}

#[test]
fn a_cgi_daemon_is_neither_a_worker_nor_a_group() {
    let place = apache_box!();
    let site = place.site("one", "event", 8080);
    let cgid = "LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so\nScriptSock \
    /mnt/one/cgid.sock\n";
    let master = site.start(&format!("{cgid}{EVENT}{}", groups()));
    soon("the daemon of cgid", || place.children(master).len() == 8);
    let block = place.block(&[]);
    assert_eq!(workers(&block)["processes"], 2, "{block:#}");
    let other: u64 = of_role(&block, "other").iter().map(|group| number(&group["processes"])).sum();
    assert_eq!(other, 1, "{block:#}");
    has_the_four(&place, &block, master);
    adds_up(&block);
}

/// Checks that the group has the name of its title, its whole name, or a note that not all of it is
/// known.
#[track_caller]
fn is_not_misnamed(block: &Value) {
    for found in of_role(block, "wsgi") {
        for member in list(&found["members"]) {
            let title = member["title"].as_str().expect("finding a title");
            let Some((name, _)) =
                title.strip_prefix("(wsgi:").and_then(|title| title.split_once(')'))
            else {
                continue;
            };
            let is_so = found["name"] == name;
            assert!(
                is_so || !super::notes(block).is_empty(),
                "a daemon of {name} is in {found:#}: {block:#}"
            );
        }
    }
}

/// Checks that the groups are named after their titles, which are all whole.
#[track_caller]
fn has_names(block: &Value, names: &[&str]) {
    is_not_misnamed(block);
    let found = of_role(block, "wsgi").into_iter().filter(|group| group["processes"] != 0);
    let mut found: Vec<&str> = found.filter_map(|group| group["name"].as_str()).collect();
    found.sort_unstable();
    assert!(found == names || !super::notes(block).is_empty(), "expected {names:?}: {block:#}");
}

#[test]
fn groups_that_macros_and_conditions_make_are_not_misnamed() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let title = "threads=1 display-name=%{GROUP}";
    let master = site.start(&format!(
        "{PREFORK}LoadModule macro_module /usr/lib/apache2/modules/mod_macro.so\n<Macro Group \
        $name>\n\
         WSGIDaemonProcess $name {title}\n</Macro>\nUse Group m-one\nUse Group m-two\n\
         <IfVersion >= 2.4>\nWSGIDaemonProcess v-one {title}\n</IfVersion>\n\
         <IfFile /nosuch>\nWSGIDaemonProcess v-two {title}\n</IfFile>\nWSGIDaemonProcess plain {title}\n"
    ));
    soon("the groups of macros", || place.children(master).len() == 7);
    let block = place.block(&[]);
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    has_names(&block, &["m-one", "m-two", "plain", "v-one"]);
    adds_up(&block);
}

#[test]
fn a_configuration_that_was_changed_since_does_not_misname_groups() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let old = "WSGIDaemonProcess alpha threads=1 display-name=%{GROUP}\n\
        WSGIDaemonProcess beta threads=1 display-name=%{GROUP}\n";
    site.start(&format!("{PREFORK}{old}"));
    let new = "WSGIDaemonProcess zeta threads=1 display-name=%{GROUP}\n";
    site.write("httpd.conf", site.configuration(&format!("{PREFORK}{new}{old}")));
    let block = place.block(&[]);
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    has_names(&block, &["alpha", "beta"]);
    adds_up(&block);
}

#[test]
fn a_graceful_restart_changes_no_names() {
    let place = apache_box!();
    let master = place.prefork();
    let first = place.children(master);
    place.kill("USR1", master);
    soon("the next generation", || {
        let children = place.children(master);
        children.len() == 8 && !children.iter().any(|pid| first.contains(pid))
    });
    let block = place.block(&[]);
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    for (name, processes) in [("alpha", 2), (LONG, 1), ("custom", 1), ("noname", 1)] {
        assert_eq!(group(&block, "wsgi", name)["processes"], processes, "{block:#}");
    }
    adds_up(&block);
}

#[test]
fn sockets_that_do_not_rotate_tell_the_groups_too() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let master = site.start(&format!("{}WSGISocketRotation Off\n", prefork()));
    let block = place.block(&[]);
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    has_names(&block, &[LONG, "alpha", "custom", "noname"]);
    assert_eq!(group(&block, "wsgi", "alpha")["processes"], 2, "{block:#}");
    assert!(of_role(&block, "other").is_empty(), "{block:#}");
    next_generation(&place, master, 8);
    let block = place.block(&[]);
    assert_eq!(group(&block, "wsgi", "alpha")["processes"], 2, "{block:#}");
    adds_up(&block);
}

/// Restarts a server gracefully, and waits until all its children are new ones.
fn next_generation(place: &ApacheBox, master: u32, count: usize) {
    let first = place.children(master);
    place.kill("USR1", master);
    soon("the next generation", || {
        let children = place.children(master);
        children.len() == count && !children.iter().any(|pid| first.contains(pid))
    });
}

#[test]
fn the_daemon_of_cgi_scripts_is_in_no_group() {
    let place = apache_box!();
    let one = "WSGIDaemonProcess alpha processes=2 threads=1 display-name=%{GROUP}\n".to_owned();
    for (port, name, groups) in [(8080, "one", groups()), (8081, "two", one)] {
        let site = place.site(name, "event", port);
        let cgid =
            format!("LoadModule cgid_module {MODULES}/mod_cgid.so\nScriptSock /mnt/{name}/s\n");
        let master = site.start(&format!("{cgid}{EVENT}{groups}"));
        let children = place.children(master).len();
        for _ in 0..2 {
            next_generation(&place, master, children);
            let has_threads = |pid: &u32| place.threads(*pid) > 1;
            soon("threads", || {
                place.children(master).iter().filter(|pid| has_threads(pid)).count() == children - 1
            });
            let block = place.block(&[]);
            let block = if block.is_null() { panic!("no block") } else { block };
            assert_eq!(group(&block, "wsgi", "alpha")["processes"], 2, "{block:#}");
            let others = of_role(&block, "other");
            assert!(others.len() == 1 && others[0]["processes"] == 1, "{block:#}");
        }
        place.kill("TERM", master);
        soon("the end of Apache", || !place.is_alive(master));
    }
}

#[test]
fn the_manager_of_fcgi_processes_is_no_worker() {
    if !Path::new(MODULES).join("mod_fcgid.so").exists() {
        crate::skip!("no mod_fcgid");
    }
    let place = apache_box!();
    for (port, name, mpm, workers_of) in
        [(8080, "one", "prefork", PREFORK), (8081, "two", "event", EVENT)]
    {
        let site = place.site(name, mpm, port);
        let load = format!("LoadModule fcgid_module {MODULES}/mod_fcgid.so\n");
        let fcgid =
            format!("{load}FcgidIPCDir /mnt/{name}\nFcgidProcessTableFile /mnt/{name}/shm\n");
        let master = site.start(&format!("{fcgid}{workers_of}"));
        // A process that has just begun may still become a worker.
        soon("a manager that is told from the workers", || {
            let block = place.block(&[]);
            let others = of_role(&block, "other");
            let is_one = others.len() == 1 && others[0]["processes"] == 1;
            let children = place.children(master).len() as u64;
            is_one && number(&workers(&block)["processes"]) + 1 == children
        });
        place.kill("TERM", master);
        soon("the end of Apache", || !place.is_alive(master));
    }
}

#[test]
fn a_daemon_whose_application_listens_itself_is_no_worker() {
    let place = apache_box!();
    let script = "import socket\nlistener = socket.create_server(('127.0.0.1', 9999))\n\
        open('/mnt/listens', 'w').write('yes\\n')\n";
    std::fs::write(place.path("listen.wsgi"), script).expect("writing a script");
    let site = place.site("one", "prefork", 8080);
    site.start(&format!(
        "{PREFORK}WSGIDaemonProcess one threads=1\n\
         WSGIImportScript /mnt/listen.wsgi process-group=one application-group=%{{GLOBAL}}\n"
    ));
    soon("a daemon that listens", || place.read("listens") == "yes");
    let block = place.block(&[]);
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    assert_eq!(group(&block, "wsgi", "one")["processes"], 1, "{block:#}");
}

#[test]
fn servers_that_listen_on_every_address_or_on_several() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    for listen in ["Listen 8080", "Listen 0.0.0.0:8080", "Listen 127.0.0.1:8080\nListen 8443"] {
        site.write(
            "httpd.conf",
            site.configuration(&prefork()).replace("Listen 127.0.0.1:8080", listen),
        );
        let master = site.start_by("/usr/sbin/apache2 -d /mnt/one -f /mnt/one/httpd.conf");
        let block = place.block(&[]);
        assert_eq!(
            (&block["pid"], &workers(&block)["processes"]),
            (&json!(master), &json!(3)),
            "{listen}: {block:#}"
        );
        has_the_four(&place, &block, master);
        place.kill("TERM", master);
        soon("the end of Apache", || !place.is_alive(master) && !place.has("one/httpd.pid"));
    }
}
