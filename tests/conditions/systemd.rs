//! Units and slices, compared with what a real systemd says.

use crate::cron_box;
use crate::support::cron::CronBox;

#[test]
fn units_and_slices_are_those_of_systemd() {
    let place = cron_box!(CronBox::with_systemd());
    place.shell("ln -s cron-graceful /mnt/bin/proctool");
    place.shell(
        "systemd-run --quiet --unit=web --slice=work-batch.slice sh -c 'sleep 1000; true'
         systemd-run --quiet --unit=other --property=Delegate=yes sleep 1000
         pid=$(systemctl show --value --property MainPID other)
         group=$(systemctl show --value --property ControlGroup other)
         for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
             [ -d $root$group ] || continue
             mkdir $root$group/part && echo $pid >$root$group/part/cgroup.procs || exit
         done
         groups=/sys/fs/cgroup
         [ ! -d $groups/systemd ] || groups=$groups/systemd
         ln -s $groups /mnt/groups
         systemctl start dbus systemd-logind; systemctl start user@0.service
         export XDG_RUNTIME_DIR=/run/user/0
         systemd-run --user --quiet --unit=own sleep 1000",
    );
    let same = |unit: &str, options: &str| {
        let group = format!("$(systemctl show --value --property ControlGroup {unit})");
        let procs = format!("find /mnt/groups{group} -name cgroup.procs -exec cat {{}} +");
        let expected = place.shell(&format!("{procs} | sort -n"));
        let found = place.shell(&format!("proctool find {options} | sort -n"));
        assert!(!expected.is_empty() && expected == found, "{options}: {expected:?} {found:?}");
        for applet in
            ["kill --force", "terminate --force", "suspend --force", "resume --force", "wait"]
        {
            let acted = place.shell(&format!(
                "proctool {applet} --dry-run --jsonl {options} | jq .pid | sort -n"
            ));
            assert!(acted == expected, "{applet} {options}: {expected:?} {acted:?}");
        }
        let tree = place.shell(&format!("proctool tree {options}"));
        assert!(expected.lines().all(|pid| tree.contains(&format!("({pid})"))), "{tree}");
    };
    same("cron.service", "--unit cron");
    same("cron.service", "--unit cr?n.service --not unit=web");
    same("web.service", "--unit web");
    same("other.service", "--unit 'oth*'");
    same("other.service", "--cgroup /system.slice/other.service/");
    same("work-batch.slice", "--slice work-batch");
    same("work.slice", "--slice work");
    same("user@0.service", "--unit user@0");
    same("user@0.service", "--where 'unit = user@0.service'");
    same("user@0.service", "--slice user --unit user@*");
    same("system.slice", "--slice system.slice");
    same("web.service", "--where 'unit = web.service and user = root'");
    let own = place
        .shell("XDG_RUNTIME_DIR=/run/user/0 systemctl --user show --value --property MainPID own");
    place.exec("proctool find --unit own").exits(0).prints(format!("{own}\n"));
    place.exec("proctool find --slice app --unit own").exits(0).prints(format!("{own}\n"));
    is_container_of(&place);
    // Everybody may ask.
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups proctool find --unit cron";
    assert_eq!(place.shell(nobody), place.shell("proctool find --unit cron"));
    // The main process is in a group below that of its unit.
    place.exec("proctool find --cgroup /system.slice/other.service").exits(1).prints("");
    // Each process is in the unit that systemd says.
    let units = place.shell(
        "proctool find --where 'unit ~ .' --fields pid,unit | tail -n +2 |
         while read pid unit; do
             [ \"$(ps -o unit= -p $pid | tr -d ' ')\" = $unit ] || echo $pid $unit
         done",
    );
    assert_eq!(units, "");
    place.shell("proctool terminate --unit web");
    let state = place.exec("systemctl is-active web").text();
    assert_ne!(state.trim(), "active");
}

/// Puts a process into a control group that is named as an engine names it, and checks that it is
/// taken by the id, for reading and for acting.
#[track_caller]
fn is_container_of(place: &CronBox) {
    let id = "0123456789abcdef".repeat(4);
    let pid = place.shell(&format!(
        "sleep 1000 >/dev/null 2>&1 & pid=$!
         for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
             [ -e $root/cgroup.procs ] || continue
             group=$root/docker-{id}.scope
             mkdir $group && echo $pid >$group/cgroup.procs || exit
         done
         echo $pid"
    ));
    for name in [&id[..4], &id[..12], &id, &format!("docker:{id}")] {
        let options = format!("--container {name}");
        place.exec(&format!("proctool find {options}")).exits(0).prints(format!("{pid}\n"));
        for applet in ["kill", "terminate", "suspend", "resume", "wait"] {
            let acted = format!("proctool {applet} --dry-run --jsonl {options} | jq .pid");
            assert_eq!(place.shell(&acted), pid, "{applet} {options}");
        }
        assert_eq!(place.shell(&format!("proctool tree {options}")), format!("sleep({pid})"));
    }
    place.shell(&format!("proctool kill --container {id}"));
}
