//! Configurations as Apache itself prints them: `apache2 -t -D DUMP_CONFIG` lists the directives that
//! are in force.

use super::super::support::apache::{APACHE, ApacheBox, MODULES, PREFORK, Site};
use super::notes;
use crate::apache_box;

/// Returns the last MaxRequestWorkers that is in force, as it stands in the file, or `None` for a
/// configuration that Apache does not take.
fn dumped(place: &ApacheBox, site: &Site) -> Option<Option<String>> {
    let path = site.path();
    let command = format!("{APACHE} -t -D DUMP_CONFIG -D GIVEN -d /mnt/one -f {path} 2>&1 || :");
    let text = place.shell(&command);
    let mut found = text.lines().filter_map(|line| line.trim().strip_prefix("MaxRequestWorkers "));
    text.contains("Syntax OK").then(|| found.next_back().map(str::to_owned))
}

/// Returns the number that Apache makes of a text, by atoi(3) and the rules of prefork; `None` where
/// a variable stands in it.
fn number(text: &str) -> Option<u64> {
    if text.contains("${") {
        return None;
    }
    let digits = text
        .trim_matches('"')
        .trim_start_matches('+')
        .split(|digit: char| !digit.is_ascii_digit())
        .next();
    Some(digits.unwrap_or_default().parse().unwrap_or(0).max(1))
}

/// Returns what is wrong with the answer about a configuration with this text at its end.
fn fault(place: &ApacheBox, site: &Site, text: &str) -> Option<String> {
    let modules = ["info", "macro"]
        .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
        .concat();
    let text = text.replace("LIMIT", "MaxRequestWorkers");
    site.write("httpd.conf", site.configuration(&format!("{modules}{text}\n")));
    let Some(expected) = dumped(place, site) else { return Some(format!("no syntax: {text}")) };
    let block = place.block(&[]);
    let found = block["configuration"]["max_request_workers"].as_u64();
    let wanted = expected.as_deref().map_or(Some(256), number);
    let is_right = match (found, wanted) {
        (None, _) => !notes(&block).is_empty() && (wanted.is_none() || text.contains("# unknown")),
        (found, wanted) => found == wanted,
    };
    (!is_right).then(|| format!("{found:?} for {expected:?}: {text}\n{:?}", notes(&block)))
}

/// Texts behind the usual beginning; `LIMIT` stands for MaxRequestWorkers.
const TEXTS: &[&str] = &[
    "",
    "LIMIT 6",
    "maxrequestworkers 6\nLIMIT 7",
    "<IfModule prefork.c> # x\nLIMIT 6\n</IfModule>\nLIMIT 7",
    "<IfModule nowhere.c>\nLIMIT 9\n</IfModule> # end\nLIMIT 7",
    "<IfModule nowhere.c> # x\nLIMIT 9\n</IfModule>\nLIMIT 7",
    "<IfModule prefork.c> # see <b>\nLIMIT 6\n</IfModule>",
    "<IfModule prefork.c >\nLIMIT 6\n</IfModule>",
    "<IfModule \"prefork.c\">\nLIMIT 6\n</IfModule>",
    "<IfModule   mpm_prefork_module   >\nLIMIT 6\n</IfModule>",
    "  <IfModule\tprefork.c>\nLIMIT 6\n\t</IfModule>\t",
    "<IfModule !prefork.c> # no\nLIMIT 4\n</IfModule> # no\n",
    "<IfModule ! nowhere.c>\nLIMIT 6\n</IfModule>",
    "<IfModule ! prefork.c>\nLIMIT 6\n</IfModule>",
    "<IfModule nowhere.c>\n<IfModule prefork.c>\nLIMIT 5\n</IfModule> # a\nLIMIT 4\n</IfModule> # b\nLIMIT 6",
    "<IfModule prefork.c>\n<IfModule so_module> # a\nLIMIT 5\n</IfModule>\n</IfModule>",
    "<ifmodule PREFORK.C>\nLIMIT 6\n</IFMODULE>",
    "<IFMODULE prefork.c>\nLIMIT 6\n</ifModule>",
    "<IfModule mod_so.c>\nLIMIT 6\n</IfModule>",
    "<IfModule http_core.c>\nLIMIT 6\n</IfModule>",
    "<IfModule core.c>\nLIMIT 6\n</IfModule>",
    "<IfModule core_module>\nLIMIT 6\n</IfModule>",
    "<IfModule mod_info.c>\nLIMIT 6\n</IfModule>",
    "<IfModule info_module>\nLIMIT 6\n</IfModule>",
    "<IfModule mod_wsgi.c>\nLIMIT 6\n</IfModule>",
    "<IfModule mod_ssl.c>\nLIMIT 6\n</IfModule>",
    "<IfModule mod_watchdog.c>\nLIMIT 6\n</IfModule>",
    "<IfModule unixd_module>\nLIMIT 6\n</IfModule>",
    "LoadModule ldap_module /usr/lib/apache2/modules/mod_ldap.so\n<IfModule util_ldap.c>\nLIMIT 6\n\
     </IfModule>",
    "<IfModule event.c>\nLIMIT 6\n</IfModule>",
    "<IfModule mpm_winnt.c>\nLIMIT 6\n</IfModule>",
    "<IfModule !mpm_winnt.c>\nLIMIT 6\n</IfModule>",
    "<IfModule mod_http.c>\nLIMIT 6\n</IfModule>",
    "<IfModule http_module>\nLIMIT 6\n</IfModule>",
    "<IfModule util.c>\nLIMIT 6\n</IfModule>",
    "<IfModule core_filters.c>\nLIMIT 6\n</IfModule>",
    "<IfModule mod_version.c>\nLIMIT 6\n</IfModule>",
    "LIMIT\x0b9",
    "\x0bLIMIT \x0b9\x0b",
    "<IfModule\x0bprefork.c\x0b>\nLIMIT 6\n\x0b</IfModule>",
    "<IfModule mpm_worker_module>\nLIMIT 6\n</IfModule>",
    "<IfDefine GIVEN> # c\nLIMIT 6\n</IfDefine>",
    "<IfDefine !GIVEN>\nLIMIT 6\n</IfDefine>",
    "<IfDefine ! GIVEN>\nLIMIT 6\n</IfDefine>",
    "<IfDefine given>\nLIMIT 6\n</IfDefine>",
    "Define A\n<IfDefine A>\nLIMIT 6\n</IfDefine>\nUnDefine A\n<IfDefine A>\nLIMIT 7\n</IfDefine>",
    "<IfVersion >= 2.4>\nLIMIT 6\n</IfVersion>",
    "<IfVersion 2.4>\nLIMIT 6\n</IfVersion>",
    "<IfVersion >= 2>\nLIMIT 6\n</IfVersion>",
    "<IfVersion < 2.4>\nLIMIT 6\n</IfVersion>",
    "<IfVersion <= 2.4>\nLIMIT 6\n</IfVersion>",
    "<IfVersion !< 2.4.1>\nLIMIT 6\n</IfVersion>",
    "<IfVersion > 2.4.9>\nLIMIT 6\n</IfVersion>",
    "<IfVersion ~ ^2\\.4>\nLIMIT 6\n</IfVersion>",
    "<IfVersion = /^2\\.2/>\nLIMIT 6\n</IfVersion>",
    "<IfVersion !~ ^2\\.2>\nLIMIT 6\n</IfVersion>",
    "LIMIT 7abc",
    "LIMIT +7",
    "LIMIT 0x7",
    "LIMIT many",
    "LIMIT \"8\"",
    "LIMIT \\\n 9",
    "LIMIT ${NOPE}7",
    "Define N \"\"\nLIMIT ${N}7",
    "Define N\nLIMIT ${N}7",
    "Define N 1\nLIMIT ${N}7",
    "Define N 1\nDefine M ${N}2\nLIMIT ${M}",
    "<Macro Few $n>\nLIMIT $n\n</Macro>\nUse Few 9",
    "<Macro few $n $nn>\nLIMIT $nn\n</Macro>\nUse FEW 9 8",
    "<Macro A>\nLIMIT 3\n</Macro> # x\nUse A",
    "<Macro A> # x\nLIMIT 3\n</Macro>\nUse A",
    "<Macro A @n>\n<IfModule @n> # y\nLIMIT 3\n</IfModule>\n</Macro>\nUse A prefork.c",
    "<Macro A @n>\n<IfModule @n>\nLIMIT 3\n</IfModule>\n</Macro>\nUse A event.c",
    "<Macro A>\nLIMIT 3\n</Macro>\n<Macro B>\nUse A\n</Macro>\nUse B\n",
    "<Macro A $n>\nLIMIT 3$n\n</Macro>\nUse A \"4\"",
    "<Macro A $n>\nLIMIT $n\n</Macro>\nUndefMacro A",
    "<Macro A>\nLIMIT 3\n</Macro>",
    "<Macro A>\n<Macro B>\nTimeout 3\n</Macro>\nLIMIT 9\n</Macro>",
    "<Macro A>\n<Macro B $n> # x\nLIMIT $n\n</Macro>\nUse B 5\n</Macro>\nUse A",
    "<IfFile /etc/passwd> # f\nLIMIT 6\n</IfFile>",
    "<IfFile nowhere>\nLIMIT 6\n</IfFile>",
    "<VirtualHost *:80> # v\nServerName b\n</VirtualHost> # v\nLIMIT 6",
    "<Directory /> # x\n</Directory> # y\nLIMIT 6",
    "IncludeOptional conf.d/**.conf",
    "IncludeOptional conf.d/*.conf\nLIMIT 6",
    "IncludeOptional nowhere/**.conf\nLIMIT 6",
    "# unknown\n<IfDirective MaxRequestWorkers>\nLIMIT 6\n</IfDirective>",
    "# unknown\n<IfSection VirtualHost>\nLIMIT 6\n</IfSection>",
];

#[test]
fn what_is_in_force_is_what_apache_itself_prints() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(""));
    site.start_by(&format!("{APACHE} -D GIVEN -d /mnt/one -f /mnt/one/httpd.conf"));
    for name in ["a.conf", "b.conf"] {
        site.write(&format!("conf.d/{name}"), "MaxRequestWorkers 21\n");
    }
    let faults: Vec<String> = TEXTS.iter().filter_map(|text| fault(&place, &site, text)).collect();
    assert_eq!(faults, [] as [&str; 0], "of {}", TEXTS.len());
}

/// Makes a copy of the server that was built for other places, as that of XAMPP was.
const REBUILD: &str = r#"
mkdir -p /mnt/one/bin /mnt/one/lampp/etc
perl -pe 's,/etc/apache2,/mnt/one/lam,g; s,apache2\.conf,etc/httpd.cf,g' \
    /usr/sbin/apache2 >/mnt/one/bin/httpd
chmod 755 /mnt/one/bin/httpd
mkdir -p /mnt/one/lam/etc
cp /mnt/one/httpd.conf /mnt/one/lam/etc/httpd.cf
"#;

#[test]
fn the_executable_says_where_its_configuration_is() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(&format!("{PREFORK}MaxRequestWorkers 7\n")));
    place.shell(REBUILD);
    site.start_by("/mnt/one/bin/httpd");
    let block = place.block(&[]);
    let configuration = &block["configuration"];
    assert_eq!(configuration["path"], "/mnt/one/lam/etc/httpd.cf", "{block:#}");
    assert_eq!(configuration["max_request_workers"], 7, "{block:#}");
    // Without its executable there is a doubt.
    place.shell("rm /mnt/one/bin/httpd");
    let block = place.block(&[]);
    assert!(
        notes(&block).contains("the executable does not tell") || block["configuration"].is_null(),
        "{block:#}"
    );
}

#[test]
fn an_mpm_is_there_whichever_way_its_condition_goes() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let load = format!("LoadModule mpm_prefork_module {MODULES}/mod_mpm_prefork.so\n");
    for condition in ["!prefork.c", "!mpm_prefork_module", "!event.c"] {
        let section = format!("<IfModule {condition}>\n{load}</IfModule>\n");
        let text = site.configuration("MaxRequestWorkers 7\n").replace(&load, &section);
        assert!(text.contains(&section), "{text}");
        site.write("httpd.conf", text);
        let master = site.start_by(&format!("{APACHE} -d /mnt/one -f /mnt/one/httpd.conf"));
        let block = place.block(&[]);
        assert_eq!(block["configuration"]["mpm"], "prefork", "{block:#}");
        assert_eq!(block["configuration"]["max_request_workers"], 7, "{block:#}");
        super::configuration::stop(&place, &site, master);
    }
}

#[test]
fn what_a_graceful_restart_cannot_change_is_noted() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let text = format!("{PREFORK}ServerLimit 20\nMaxRequestWorkers 10\n");
    let master = site.start(&text);
    let changed = text.replace("ServerLimit 20", "ServerLimit 200");
    let old = place.children(master);
    place.kill("USR1", master);
    super::super::support::place::soon("new workers", || {
        let new = place.children(master);
        !new.is_empty() && !new.iter().any(|pid| old.contains(pid))
    });
    // The kernel tells the time of its boot in whole seconds, so that a change in the first seconds
    // is not told from one before the start.
    super::super::support::place::soon("the note", || {
        site.write("httpd.conf", site.configuration(&changed));
        notes(&place.block(&[])).contains("ServerLimit and ThreadLimit")
    });
}
