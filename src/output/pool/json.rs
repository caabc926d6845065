//! Pools as JSON.

use crate::apache::{
    Capacity, Configuration, GroupMaximum, Master, Measure, Member, Pool, Statistics, WorkerGroup,
};
use crate::output::json::{array, bytes, key, member, object_of, optional, string};
use crate::output::{number, put};
use crate::process::items;
use crate::users::Users;

/// Appends a pool, as it was at this time in seconds since the epoch.
pub fn pool(json: &mut Vec<u8>, pool: &Pool, time: f64, users: &Users) {
    put(json, format_args!("{{\"time\":{time:.2}"));
    text(json, "program", Some(&pool.program));
    name(json, "kind", Some(pool.kind.name()));
    master_members(json, pool.master.as_ref(), users);
    count(json, "processes", Some(pool.everybody().count() as u64));
    count(json, "threads", Some(pool.threads()));
    count(json, "unreadable", Some(pool.unreadable() as u64));
    count(json, "unexamined", Some(pool.unexamined as u64));
    count(json, "ended", Some(pool.ended as u64));
    member(json, "memory", Some(()), |json, ()| {
        // Resident memory has no sum, because it would count shared pages repeatedly.
        object_of(json, Measure::ALL.into_iter().skip(1), |json, measure| {
            key(json, measure.name());
            optional(json, pool.total(measure), number);
        });
    });
    member(json, "master", pool.master.as_ref(), |json, master| {
        process(json, &master.member, users)
    });
    member(json, "groups", Some(&pool.groups), |json, groups| {
        array(json, groups.iter(), |json, each| group(json, each, pool.maximum_of(each), users));
    });
    capacity(json, pool.capacity.as_ref());
    member(json, "configuration", pool.configuration.as_ref(), configuration);
    member(json, "notes", Some(&pool.notes), |json, notes| {
        array(json, notes.iter(), |json, note| string(json, note))
    });
    json.push(b'}');
}

fn master_members(json: &mut Vec<u8>, master: Option<&Master>, users: &Users) {
    let process = master.map(|master| &master.member);
    count(json, "pid", process.map(|process| process.pid.into()));
    text(json, "exe_path", master.and_then(|master| master.exe_path.as_deref()));
    member(json, "exe_deleted", master, |json, master| {
        put(json, format_args!("{}", master.exe_deleted))
    });
    member(json, "cmdline", master, |json, master| array(json, items(&master.arguments), bytes));
    name(json, "user", process.map(|process| users.user(process.uid)).as_deref());
    time(json, process.and_then(|process| process.start_time));
    text(json, "container", master.and_then(|master| master.container.as_deref()));
    text(json, "unit", master.and_then(|master| master.unit.as_deref()));
}

fn group(json: &mut Vec<u8>, group: &WorkerGroup, maximum: Option<&GroupMaximum>, users: &Users) {
    put(json, format_args!("{{\"role\":\"{}\"", group.role.name()));
    text(json, "name", group.name.as_deref());
    count(json, "number", group.number.map(u64::from));
    put(json, format_args!(",\"name_is_cut\":{}", group.name_is_cut));
    member(json, "may_be", Some(&group.may_be), |json, names| {
        array(json, names.iter(), |json, name| bytes(json, name))
    });
    count(json, "processes", Some(group.members.len() as u64));
    count(json, "threads", Some(group.threads()));
    count(json, "unreadable", Some(group.unreadable() as u64));
    member(json, "maximum", maximum, |json, maximum| {
        put(json, format_args!("{{\"processes\":{}", maximum.processes));
        name(json, "at", Some(&maximum.at));
        json.push(b'}');
    });
    for measure in Measure::ALL {
        let found = group.statistics(measure);
        member(json, measure.name(), found, |json, found| {
            statistics(json, found, measure, group.total(measure))
        });
    }
    capacity(json, group.capacity.as_ref());
    member(json, "members", Some(&group.members), |json, members| {
        array(json, members.iter(), |json, each| process(json, each, users));
    });
    json.push(b'}');
}

fn statistics(json: &mut Vec<u8>, found: Statistics, measure: Measure, total: Option<u64>) {
    let Statistics { min, max, average, median } = found;
    // The shortest digits that give this number, and none after the point where it is whole.
    put(
        json,
        format_args!("{{\"min\":{min},\"max\":{max},\"average\":{average},\"median\":{median}"),
    );
    if measure != Measure::Rss {
        count(json, "total", total);
    }
    json.push(b'}');
}

fn process(json: &mut Vec<u8>, process: &Member, users: &Users) {
    put(json, format_args!("{{\"pid\":{}", process.pid));
    name(json, "user", Some(&users.user(process.uid)));
    count(json, "threads", Some(process.threads));
    time(json, process.start_time);
    for measure in Measure::ALL {
        count(json, measure.name(), process.usage.get(measure));
    }
    count(json, "peak", Some(process.usage.peak));
    count(json, "page_tables", Some(process.usage.page_tables));
    text(json, "title", items(&process.arguments).next().map(<[u8]>::trim_ascii_end));
    json.push(b'}');
}

fn capacity(json: &mut Vec<u8>, capacity: Option<&Capacity>) {
    let estimates = |json: &mut Vec<u8>, (peak, average, largest): (u64, u64, u64)| {
        put(json, format_args!("{{\"peak\":{peak},\"average\":{average},\"largest\":{largest}}}"));
    };
    let one_more = capacity.map(|found| (found.peak, found.average, found.largest));
    member(json, "one_more", one_more, estimates);
    member(json, "available", capacity.map(|capacity| &capacity.headroom), |json, headroom| {
        put(json, format_args!("{{\"bytes\":{}", headroom.bytes));
        let group = headroom.group.as_ref();
        name(json, "from", Some(group.map_or("MemAvailable", |_| "cgroup")));
        text(json, "cgroup", group.map(|group| &group.path[..]));
        count(json, "limit", group.map(|group| group.limit));
        count(json, "mem_available", Some(headroom.machine));
        json.push(b'}');
    });
    let more =
        capacity.map(|found| (found.more_peak(), found.more_average(), found.more_largest()));
    member(json, "more_workers", more, estimates);
}

fn configuration(json: &mut Vec<u8>, configuration: &Configuration) {
    json.push(b'{');
    key(json, "path");
    bytes(json, &configuration.path);
    let limit = configuration.limit.as_ref();
    name(json, "mpm", configuration.mpm.map(|mpm| mpm.name()));
    count(json, "max_request_workers", limit.map(|limit| limit.requests));
    count(json, "processes", limit.map(|limit| limit.processes));
    count(json, "threads_per_child", limit.map(|limit| limit.threads));
    name(json, "at", limit.and_then(|limit| limit.at.as_deref()));
    json.push(b'}');
}

fn text(json: &mut Vec<u8>, name: &str, found: Option<&[u8]>) {
    member(json, name, found, bytes);
}

fn name(json: &mut Vec<u8>, name: &str, found: Option<&str>) {
    member(json, name, found, string);
}

fn count(json: &mut Vec<u8>, name: &str, found: Option<u64>) {
    member(json, name, found, number);
}

fn time(json: &mut Vec<u8>, start: Option<f64>) {
    member(json, "start_time", start, |json, start| put(json, format_args!("{start:.2}")));
}
