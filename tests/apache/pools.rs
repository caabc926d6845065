//! Other servers that work with a pool of processes, by `--exe`.

use std::path::Path;

use serde_json::{Value, json};

use super::super::support::apache::ApacheBox;
use super::super::support::place::soon;
use super::{adds_up, group, list, notes, number, of_role, pids};
use crate::{apache_box, skip};

fn php() -> Option<String> {
    let versions =
        ["8.4", "8.3", "8.2", "8.1", "7.4"].map(|version| format!("/usr/sbin/php-fpm{version}"));
    versions
        .into_iter()
        .chain(["/usr/sbin/php-fpm".to_owned()])
        .find(|path| Path::new(path).exists())
}

const FPM: &str = "[global]\npid = /run/fpm.pid\nerror_log = /mnt/fpm.log\ndaemonize = yes\n\
    [www]\nuser = www-data\ngroup = www-data\nlisten = /run/www.sock\npm = static\npm.max_children = 2\n\
    [api]\nuser = www-data\ngroup = www-data\nlisten = /run/api.sock\npm = static\npm.max_children = 3\n";

/// Waits for a process of this name with this number of children. Returns its pid.
#[track_caller]
fn master(place: &ApacheBox, name: &str, children: usize) -> u32 {
    let mut found = 0;
    soon(&format!("a {name} with {children} children"), || {
        let seen = place.processes().into_iter().filter(|seen| seen.name.starts_with(name));
        found = seen
            .map(|seen| seen.pid)
            .find(|&pid| place.children(pid).len() == children)
            .unwrap_or(0);
        found != 0
    });
    found
}

#[test]
fn php_has_its_pools_by_name() {
    let Some(program) = php() else { skip!("no php-fpm") };
    let place = apache_box!(ApacheBox::without_apache());
    std::fs::write(place.path("fpm.conf"), FPM).expect("writing a configuration");
    place.shell(&format!("{program} -y /mnt/fpm.conf -c /dev/null </dev/null >/dev/null 2>&1"));
    let pid = master(&place, "php-fpm", 5);
    soon("titles", || place.children(pid).iter().all(|&pid| place.arguments(pid).contains("pool")));
    let block = place.block(&["--exe", "php-fpm"]);
    assert_eq!(
        (&block["kind"], &block["pid"], &block["master"]["pid"]),
        (&json!("pool"), &json!(pid), &json!(pid))
    );
    assert_eq!(group(&block, "pool", "www")["processes"], 2, "{block:#}");
    assert_eq!(group(&block, "pool", "api")["processes"], 3, "{block:#}");
    assert_eq!(block["processes"], 6, "{block:#}");
    let maximum = |name: &str| group(&block, "pool", name)["maximum"].clone();
    assert_eq!(maximum("www"), json!({"processes": 2, "at": "/mnt/fpm.conf:10"}), "{block:#}");
    assert_eq!(maximum("api"), json!({"processes": 3, "at": "/mnt/fpm.conf:16"}), "{block:#}");
    assert!(number(&block["memory"]["pss"]) > 0, "{block:#}");
    adds_up(&block);
    // A name is not the beginning of another.
    place.memory(&["--exe", "php"]).refuses(1, "php");
    place.memory(&["--exe", "php-fp"]).refuses(1, "php-fp");
    let text = place.memory(&["--exe", "php-fpm"]).succeeds();
    assert!(
        text.text().contains("www") && !text.text().contains("MaxRequestWorkers"),
        "{}",
        text.report()
    );
    assert!(
        text.text().contains("Maximum            3 (pool api, /mnt/fpm.conf:16)\n"),
        "{}",
        text.report()
    );
    place.memory(&["--exe", "php-fpm", "--exe", "nosuch"]).exits(64);
    let metrics = place.memory(&["--exe", "php-fpm", "--openmetrics"]).succeeds().text();
    let is_maximum = |line: &str| {
        line.starts_with("proctool_pool_group_max_processes{")
            && line.contains("group=\"api\"")
            && line.ends_with(" 3")
    };
    assert!(metrics.lines().any(is_maximum), "{metrics}");
}

#[test]
fn php_pools_of_included_files_and_without_processes() {
    let Some(program) = php() else { skip!("no php-fpm") };
    let place = apache_box!(ApacheBox::without_apache());
    let pool = |name: &str, lines: &str| {
        let text = format!(
            "; a pool\n[{name}]\nuser = www-data\ngroup = www-data\nlisten = \
            /run/$pool.sock\n{lines}"
        );
        std::fs::write(place.path(&format!("pools/{name}.conf")), text).expect("writing a pool");
    };
    std::fs::create_dir(place.path("pools")).expect("making a directory");
    pool("www", "pm = static\npm.max_children = \"2\" ; few\n");
    pool("idle", "pm = ondemand\npm.max_children=7\n");
    pool("many", "pm = ondemand\npm.max_children = ${MANY}\n");
    let global = "[global]\npid = /run/fpm.pid\nerror_log = /mnt/fpm.log\nprocess.max = 6\n\
        include = /mnt/pools/*.conf\n";
    std::fs::write(place.path("fpm.conf"), global).expect("writing a configuration");
    place.shell(&format!(
        "cd /mnt && MANY=4 {program} -y fpm.conf -c /dev/null </dev/null >/dev/null 2>&1"
    ));
    let pid = master(&place, "php-fpm", 2);
    soon("titles", || place.children(pid).iter().all(|&pid| place.arguments(pid).contains("pool")));
    let block = place.block(&["--exe", "php-fpm"]);
    let found = |name: &str| {
        let group = group(&block, "pool", name);
        (group["processes"].clone(), group["maximum"].clone())
    };
    let at = |processes: u64, at: &str| json!({"processes": processes, "at": at});
    assert_eq!(found("www"), (json!(2), at(2, "/mnt/pools/www.conf:7")), "{block:#}");
    assert_eq!(found("idle"), (json!(0), at(6, "/mnt/fpm.conf:4")), "{block:#}");
    assert!(
        notes(&block).contains("of pool many is not known: /mnt/pools/many.conf:7"),
        "{block:#}"
    );
    adds_up(&block);
    place.memory(&["--exe", "php-fpm", "--workers"]).succeeds();
    // A pool that runs without being configured shows that this is not its configuration.
    std::fs::remove_file(place.path("pools/www.conf")).expect("removing a pool");
    let block = place.block(&["--exe", "php-fpm"]);
    assert!(notes(&block).contains("does not name the running pool www"), "{block:#}");
    assert!(list(&block["groups"]).iter().all(|group| group["maximum"].is_null()), "{block:#}");
    place.memory(&["--exe", "php-fpm", "--openmetrics"]).succeeds();
}

const NGINX: &str = "worker_processes 2;\npid /run/nginx.pid;\nerror_log /mnt/nginx.log;\nuser \
www-data;\nevents {}\n\
    http {\n access_log off;\n server {\n  listen 127.0.0.1:8090;\n }\n}\n";

#[test]
fn nginx_has_workers() {
    let place = apache_box!(ApacheBox::without_apache());
    if !Path::new("/usr/sbin/nginx").exists() {
        skip!("no nginx");
    }
    std::fs::write(place.path("nginx.conf"), NGINX).expect("writing a configuration");
    place.shell(
        "mkdir -p /run/lib && mount -t tmpfs none /var/lib/nginx && mount -t tmpfs none \
    /var/log/nginx; true",
    );
    place.shell("nginx -c /mnt/nginx.conf </dev/null >/mnt/output 2>&1");
    let pid = master(&place, "nginx", 2);
    soon("titles", || {
        place
            .children(pid)
            .iter()
            .all(|&pid| place.arguments(pid).starts_with("nginx: worker process"))
    });
    let block = place.block(&["--exe", "nginx"]);
    assert_eq!((&block["kind"], &block["pid"]), (&json!("pool"), &json!(pid)), "{block:#}");
    let groups = list(&block["groups"]).iter().filter(|group| group["processes"] != 0);
    let groups: Vec<&Value> = groups.collect();
    assert!(groups.len() == 1 && pids(groups[0]) == place.children(pid), "{block:#}");
    assert_eq!(groups[0]["name"], "worker process", "{block:#}");
    assert_eq!(block["processes"], 3, "{block:#}");
    adds_up(&block);
    assert!(block["configuration"].is_null(), "{block:#}");
    let maximum = json!({"processes": 2, "at": "/mnt/nginx.conf:1"});
    assert_eq!(groups[0]["maximum"], maximum, "{block:#}");
    place.memory(&["--exe", "nginx", "--workers"]).succeeds();
    place.memory(&["--exe", "nginx", "--openmetrics"]).succeeds();
}

#[test]
fn nginx_tells_in_its_executable_where_its_configuration_is() {
    let place = apache_box!(ApacheBox::without_apache());
    if !Path::new("/usr/sbin/nginx").exists() {
        skip!("no nginx");
    }
    let rest = NGINX.split_once('\n').map(|(_, rest)| rest).unwrap_or_default();
    std::fs::create_dir(place.path("etc")).expect("making a directory");
    std::fs::write(place.path("etc/nginx.conf"), format!("include /mnt/etc/w*;\n{rest}"))
        .expect("writing a configuration");
    std::fs::write(place.path("etc/workers"), "\nworker_processes 3;").expect("writing a file");
    place.shell(
        "mkdir -p /run/lib && mount -t tmpfs none /var/lib/nginx && mount -t tmpfs none \
    /var/log/nginx && mount --bind /mnt/etc /etc/nginx",
    );
    place.shell("nginx -g 'daemon on; ' </dev/null >/mnt/output 2>&1");
    let pid = master(&place, "nginx", 3);
    let text = place.memory(&["--exe", "nginx"]).succeeds();
    assert!(
        text.text().contains("Maximum            3 (/mnt/etc/workers:2)\n"),
        "{pid}: {}",
        text.report()
    );
    // A number that nginx computes is unknown.
    std::fs::write(place.path("etc/workers"), "worker_processes auto;").expect("writing a file");
    let block = place.block(&["--exe", "nginx"]);
    assert!(notes(&block).contains("/mnt/etc/workers:1: 'auto' depends on"), "{block:#}");
    assert!(list(&block["groups"]).iter().all(|group| group["maximum"].is_null()), "{block:#}");
}

const GUNICORN: &str = "#!/usr/bin/python3
import os, time
for _ in range(3):
    if os.fork() == 0:
        break
time.sleep(1000)
";

#[test]
fn a_script_with_children_is_a_pool() {
    let place = apache_box!(ApacheBox::without_apache());
    place.program("gunicorn", GUNICORN);
    place.shell("setsid gunicorn -w 3 app:wsgi </dev/null >/dev/null 2>&1 &");
    let pid = master(&place, "gunicorn", 3);
    let block = place.block(&["--exe", "gunicorn"]);
    assert_eq!((&block["kind"], &block["pid"]), (&json!("pool"), &json!(pid)), "{block:#}");
    let workers = group(&block, "worker", Value::Null);
    assert_eq!(pids(workers), place.children(pid), "{block:#}");
    assert_eq!(workers["maximum"], json!({"processes": 3, "at": "the command line"}), "{block:#}");
    assert_eq!(block["processes"], 4, "{block:#}");
    adds_up(&block);
}

#[test]
fn a_script_that_python_was_told_to_run_is_a_pool_too() {
    let place = apache_box!(ApacheBox::without_apache());
    place.program("gunicorn", GUNICORN);
    place.shell("setsid python3 /mnt/bin/gunicorn app:wsgi </dev/null >/dev/null 2>&1 &");
    let pid = master(&place, "python3", 3);
    let block = place.block(&["--exe", "gunicorn"]);
    assert_eq!((&block["pid"], &block["processes"]), (&json!(pid), &json!(4)), "{block:#}");
}

/// Overwrites its arguments, as setproctitle does.
const TITLED: &str = "#!/usr/bin/python3
import ctypes, os, time

def title(text):
    address = int(open('/proc/self/stat').read().rsplit(')', 1)[1].split()[45])
    end = int(open('/proc/self/stat').read().rsplit(')', 1)[1].split()[46])
    ctypes.memmove(address, text.encode().ljust(end - address, b'\\0')[:end - address], end - address)

for number in (1, 2, 3):
    if os.fork() == 0:
        title('gunicorn: worker [app]' if number < 3 else 'gunicorn: other')
        time.sleep(1000)
title('gunicorn: master [app]')
time.sleep(1000)
";

/// Starts a script that gives titles to itself and its three children, and waits until they begin
/// with this text. Returns the pid of the script.
#[track_caller]
fn titled(place: &ApacheBox, name: &str, script: &str, begin: &str) -> u32 {
    place.program(name, script);
    place.shell(&format!(
        "setsid {name} a-long-argument-so-that-there-is-room-for-titles-of-any-length </dev/null \
        >/dev/null 2>&1 &"
    ));
    let pid = master(place, name, 3);
    soon("titles", || {
        let all = [vec![pid], place.children(pid)].concat();
        all.into_iter().all(|pid| place.arguments(pid).starts_with(begin))
    });
    pid
}

#[test]
fn titles_group_the_processes_of_a_script() {
    let place = apache_box!(ApacheBox::without_apache());
    let pid = titled(&place, "titled-one", TITLED, "gunicorn: ");
    let block = place.block(&["--exe", "gunicorn"]);
    assert_eq!((&block["pid"], &block["processes"]), (&json!(pid), &json!(4)), "{block:#}");
    let counts: Vec<u64> =
        list(&block["groups"]).iter().map(|group| number(&group["processes"])).collect();
    let mut counts: Vec<u64> = counts.into_iter().filter(|&count| count > 0).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2], "{block:#}");
    adds_up(&block);
}

#[test]
fn titles_in_brackets_are_those_of_the_program() {
    let place = apache_box!(ApacheBox::without_apache());
    let script = TITLED
        .replace(
            "'gunicorn: worker [app]' if number < 3 else 'gunicorn: other'",
            "f'[celeryd: celery@h:ForkPoolWorker-{number}]'",
        )
        .replace("gunicorn: master [app]", "[celeryd: celery@h:MainProcess] -active- (worker)");
    let pid = titled(&place, "titled-two", &script, "[celeryd: ");
    for name in ["celery", "celeryd", "[celeryd"] {
        let block = place.block(&["--exe", name]);
        assert_eq!((&block["pid"], &block["processes"]), (&json!(pid), &json!(4)), "{block:#}");
        let groups: Vec<&Value> =
            list(&block["groups"]).iter().filter(|group| group["processes"] != 0).collect();
        assert!(groups.len() == 1 && groups[0]["processes"] == 3, "{block:#}");
        assert_eq!(groups[0]["name"], "celery@h:ForkPoolWorker", "{block:#}");
    }
}

/// Three workers that have taken 60 MiB for a request and given them back.
const PEAKY: &str = "#!/usr/bin/python3
import os, time
for number in (1, 2, 3):
    if os.fork() == 0:
        request = bytearray(60 << 20)
        del request
        open(f'/mnt/done{number}', 'w').close()
        time.sleep(1000)
time.sleep(1000)
";

#[test]
fn the_estimate_that_comes_first_is_that_of_the_peak() {
    let place = apache_box!(ApacheBox::without_apache());
    place.program("peaky", PEAKY);
    place.shell("setsid peaky </dev/null >/dev/null 2>&1 &");
    let pid = master(&place, "peaky", 3);
    soon("all peaks", || ["done1", "done2", "done3"].into_iter().all(|name| place.has(name)));
    let block = place.block(&["--exe", "peaky"]);
    let one_more = |name: &str| number(&block["one_more"][name]);
    let more = |name: &str| number(&block["more_workers"][name]);
    assert!(one_more("peak") > 55 << 20 && one_more("average") < 30 << 20, "{block:#}");
    assert!(more("peak") < more("average"), "{block:#}");
    // The kernel counts a peak in batches of pages.
    let peak = place.bytes(pid + 1, "status", "VmHWM").expect("finding a peak");
    let members = list(&list(&block["groups"])[0]["members"]);
    assert!(number(&members[0]["peak"]).abs_diff(peak) < 1 << 20, "{block:#}");
    let growth: u64 = list(&list(&block["groups"])[0]["members"])
        .iter()
        .map(|member| number(&member["peak"]).saturating_sub(number(&member["rss"])))
        .sum();
    let left = number(&block["available"]["bytes"]) - growth;
    assert_eq!(more("peak"), left / one_more("peak"), "{block:#}");
    let text = place.memory(&["--exe", "peaky"]).succeeds().text().to_owned();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no '{what}' in {text}"));
    assert!(at("at their peak") < at("like the average"), "{text}");
}

#[test]
fn each_group_has_its_estimates_and_helpers_are_in_none() {
    let place = apache_box!(ApacheBox::without_apache());
    let script = TITLED.replace("gunicorn: other", "gunicorn: worker [big]").replace(
        "        time.sleep(1000)\nt",
        "        blob = b'x' * (30 << 20) if number == 3 else b''\n        time.sleep(1000)\nt",
    );
    let pid = titled(&place, "titled-three", &script, "gunicorn: ");
    let groups = || place.block(&["--exe", "gunicorn"])["groups"].clone();
    let average = |groups: &Value, name: &str| {
        let found = list(groups).iter().find(|group| group["name"] == name)?;
        found["one_more"]["average"].as_u64()
    };
    soon("a large one", || {
        average(&groups(), "worker [big]").is_some_and(|bytes| bytes > 30 << 20)
    });
    assert!(average(&groups(), "worker [app]").is_some_and(|bytes| bytes < 20 << 20));
    let text = place.memory(&["--exe", "gunicorn"]).succeeds();
    assert!(text.text().contains("ONE MORE OF"), "{}", text.report());
    place.kill("KILL", pid);
}

#[test]
fn the_cache_manager_of_nginx_is_no_worker() {
    let place = apache_box!(ApacheBox::without_apache());
    if !Path::new("/usr/sbin/nginx").exists() {
        skip!("no nginx");
    }
    let text = NGINX.replacen("http {", "http { proxy_cache_path /mnt/cache keys_zone=a:1m;", 1);
    assert!(text.contains("proxy_cache_path"), "{text}");
    std::fs::write(place.path("nginx.conf"), text).expect("writing a configuration");
    place.shell(
        "mount -t tmpfs none /var/lib/nginx && mount -t tmpfs none /var/log/nginx; \
         nginx -c /mnt/nginx.conf </dev/null >/mnt/output 2>&1",
    );
    soon("its manager", || {
        place.processes().iter().any(|seen| place.arguments(seen.pid).contains("cache manager"))
    });
    let block = place.block(&["--exe", "nginx"]);
    assert_eq!(group(&block, "helper", "cache manager process")["processes"], 1, "{block:#}");
    let workers = group(&block, "pool", "worker process");
    let members = list(&workers["members"]);
    let own = |member: &Value| {
        number(&member["uss"]) + number(&member["swap"]) + number(&member["page_tables"])
    };
    let sum: u64 = members.iter().map(own).sum();
    let average = sum.div_ceil(members.len() as u64);
    assert_eq!(number(&block["one_more"]["average"]), average, "{block:#}");
    let is_counted = |role: &Value| role == "pool";
    assert_eq!(
        list(&block["groups"]).iter().filter(|group| is_counted(&group["role"])).count(),
        1,
        "{block:#}"
    );
}

/// Waits for this number of processes of the name, of which `asleep` have started their sleep:
/// before that, one more process has the name.
#[track_caller]
fn await_names(place: &ApacheBox, name: &str, count: usize, asleep: usize) {
    let named = |name: &str| place.processes().iter().filter(|seen| seen.name == name).count();
    // The box has a sleep of its own.
    soon("those with the name", || named(name) == count && named("sleep") == asleep + 1);
}

/// A shell that is called so and waits.
const NAMED: &str = "mkdir -p /run/named && cp $(command -v bash) /run/named/";

#[test]
fn a_number_behind_a_title_does_not_make_a_group() {
    let place = apache_box!(ApacheBox::without_apache());
    place.shell(&format!("{NAMED}uwsgi; mkfifo /mnt/pipe"));
    let worker = "(exec -a \"uWSGI worker $n\" /run/named/uwsgi </mnt/pipe) &";
    let script = format!("exec 3<>/mnt/pipe; for n in 1 2 3; do {worker} done; wait");
    std::fs::write(place.path("script"), script).expect("writing a script");
    place.shell("setsid /run/named/uwsgi /mnt/script </dev/null >/dev/null 2>&1 &");
    let pid = master(&place, "uwsgi", 3);
    soon("titles", || {
        place.children(pid).iter().all(|&pid| place.arguments(pid).starts_with("uWSGI worker"))
    });
    let block = place.block(&["--exe", "uwsgi"]);
    assert_eq!((&block["kind"], &block["pid"]), (&json!("pool"), &json!(pid)), "{block:#}");
    let groups: Vec<&Value> =
        list(&block["groups"]).iter().filter(|group| group["processes"] != 0).collect();
    assert!(groups.len() == 1 && groups[0]["processes"] == 3, "{block:#}");
    adds_up(&block);
}

#[test]
fn processes_without_relations_are_one_block() {
    let place = apache_box!(ApacheBox::without_apache());
    place.shell(&format!("{NAMED}lonely"));
    for _ in 0..3 {
        place.shell("setsid /run/named/lonely -c 'sleep 1000; :' </dev/null >/dev/null 2>&1 &");
    }
    await_names(&place, "lonely", 3, 3);
    let block = place.block(&["--exe", "lonely"]);
    assert_eq!((&block["kind"], &block["pid"]), (&json!("processes"), &Value::Null), "{block:#}");
    assert_eq!(
        (&block["processes"], &block["program"]),
        (&json!(3), &json!("lonely")),
        "{block:#}"
    );
    assert!(block["master"].is_null(), "{block:#}");
    adds_up(&block);
    place.memory(&["--exe", "lonely"]).succeeds();
    place.memory(&["--exe", "lonely", "--openmetrics"]).succeeds();
}

#[test]
fn a_pool_and_lonely_ones_of_the_same_name_are_apart() {
    let place = apache_box!(ApacheBox::without_apache());
    place.shell(&format!("{NAMED}mixed"));
    place.shell("setsid /run/named/mixed -c 'sleep 1000; :' </dev/null >/dev/null 2>&1 &");
    let family = "/run/named/mixed -c '/run/named/mixed -c \"sleep 1000; :\" & wait'";
    place.shell(&format!("setsid {family} </dev/null >/dev/null 2>&1 &"));
    await_names(&place, "mixed", 3, 2);
    let found = place.blocks(&["--exe", "mixed"]);
    let mut kinds: Vec<&str> = found.iter().filter_map(|block| block["kind"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["pool", "processes"], "{found:#?}");
    found.iter().for_each(adds_up);
    let total: u64 = found.iter().map(|block| number(&block["processes"])).sum();
    assert_eq!(total, 3, "{found:#?}");
}

#[test]
fn a_name_matches_whole() {
    let place = apache_box!(ApacheBox::without_apache());
    place.shell(&format!("{NAMED}pool-server"));
    place.shell("setsid /run/named/pool-server -c 'sleep 1000; :' </dev/null >/dev/null 2>&1 &");
    await_names(&place, "pool-server", 1, 1);
    for name in ["pool", "server", "pool-serve", "ool-server"] {
        place.memory(&["--exe", name]).refuses(1, name);
    }
    let block = place.block(&["--exe", "pool-server"]);
    assert_eq!(block["processes"], 1, "{block:#}");
    assert!(of_role(&block, "wsgi").is_empty(), "{block:#}");
}
