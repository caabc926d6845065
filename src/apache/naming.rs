//! From the roles of an Apache's processes to groups with names.
//!
//! The title of a WSGI daemon has room only for the beginning of a name. With the number of its
//! socket, the configuration tells the whole name. Without it, a cut name stays marked as cut,
//! because several groups may share it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::member::Member;
use super::pool::{Role, WorkerGroup};
use super::role::{ProcessRole, WsgiSocket};
use super::title;

/// Puts the processes of an Apache into groups. `configured` are the names of its WSGI groups in
/// the order of their numbers, where they are known.
pub fn groups(
    members: Vec<(ProcessRole, Member)>,
    configured: Option<&[Vec<u8>]>,
) -> Vec<WorkerGroup> {
    let generation = members.iter().filter_map(|(role, _)| Some(socket(role)?.generation)).min();
    let all_are_numbered = members.iter().all(|(role, _)| !matches!(role, ProcessRole::Titled(..)));
    let mut by_duty: BTreeMap<ProcessRole, Vec<Member>> = BTreeMap::new();
    // There is always a group of workers, even if it is empty.
    by_duty.insert(ProcessRole::Worker, Vec::new());
    if let Some(configured) = configured.filter(|_| all_are_numbered) {
        let generation = generation.unwrap_or(Reverse(0));
        let sockets = (1..).zip(configured).map(|(number, _)| WsgiSocket { generation, number });
        by_duty.extend(sockets.map(|socket| (ProcessRole::Group(socket), Vec::new())));
    }
    for (role, member) in members {
        by_duty.entry(role).or_default().push(member);
    }
    let mut groups: Vec<WorkerGroup> = Vec::new();
    for (role, mut members) in by_duty {
        members.sort_by_key(|member| member.pid);
        // Daemons of an earlier generation, which are about to exit, do not belong to the present
        // configuration.
        let is_current = socket(&role)
            .is_none_or(|socket| Some(socket.generation) == generation || members.is_empty());
        let group = group(role, members, configured.filter(|_| is_current));
        match groups.iter_mut().find(|other| other.is_same(&group)) {
            Some(same) => same.members.extend(group.members),
            None => groups.push(group),
        }
    }
    groups
}

fn socket(role: &ProcessRole) -> Option<WsgiSocket> {
    if let ProcessRole::Group(socket) = role { Some(*socket) } else { None }
}

fn group(role: ProcessRole, members: Vec<Member>, configured: Option<&[Vec<u8>]>) -> WorkerGroup {
    let named = match role {
        ProcessRole::Worker => WorkerGroup::new(Role::Worker, None),
        ProcessRole::Other => WorkerGroup::new(Role::Other, None),
        ProcessRole::Group(socket) => numbered(socket.number, &members, configured),
        ProcessRole::Titled(name, false) => WorkerGroup::new(Role::Wsgi, Some(name)),
        ProcessRole::Titled(name, true) => cut(name, configured.unwrap_or_default()),
    };
    WorkerGroup { members, ..named }
}

/// Makes a group whose number is known. Its title must agree with the configuration, which may have
/// been changed since.
fn numbered(number: u32, members: &[Member], configured: Option<&[Vec<u8>]>) -> WorkerGroup {
    let shown = members.iter().find_map(|member| title::wsgi(&member.arguments));
    let whole = configured.and_then(|names| names.get(number.checked_sub(1)? as usize));
    let whole = whole.filter(|whole| match &shown {
        Some(shown) if shown.is_cut => whole.starts_with(shown.text),
        Some(shown) => **whole == shown.text,
        None => true,
    });
    let (name, name_is_cut) = match (whole, shown) {
        (Some(whole), _) => (Some(whole.clone()), false),
        (None, Some(shown)) => {
            (Some(shown.text.to_vec()).filter(|text| !text.is_empty()), shown.is_cut)
        }
        (None, None) => (None, false),
    };
    WorkerGroup { number: Some(number), name_is_cut, ..WorkerGroup::new(Role::Wsgi, name) }
}

/// Makes a group of which only the beginning of the name is known.
fn cut(begin: Vec<u8>, configured: &[Vec<u8>]) -> WorkerGroup {
    let mut may_be: Vec<Vec<u8>> =
        configured.iter().filter(|name| name.starts_with(&begin)).cloned().collect();
    match may_be.len() {
        1 => WorkerGroup::new(Role::Wsgi, may_be.pop()),
        _ => WorkerGroup { name_is_cut: true, may_be, ..WorkerGroup::new(Role::Wsgi, Some(begin)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apache::member::Usage;

    fn member(pid: u32, arguments: &[u8]) -> Member {
        let usage = Usage::default();
        let (name, arguments) = (b"apache2".to_vec(), arguments.to_vec());
        Member { pid, uid: 33, name, threads: 1, start_time: None, age: None, arguments, usage }
    }

    fn names(
        members: Vec<(ProcessRole, Member)>,
        configured: Option<&[Vec<u8>]>,
    ) -> Vec<(Role, Option<String>, bool, usize)> {
        let text = |name: Vec<u8>| String::from_utf8(name).unwrap();
        let found = groups(members, configured).into_iter();
        found
            .map(|group| (group.role, group.name.map(text), group.name_is_cut, group.members.len()))
            .collect()
    }

    fn numbered(number: u32) -> ProcessRole {
        of_generation(0, number)
    }

    fn of_generation(generation: u32, number: u32) -> ProcessRole {
        ProcessRole::Group(WsgiSocket { generation: Reverse(generation), number })
    }

    fn some(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn numbers_and_the_configuration_give_whole_names() {
        let configured =
            [b"alpha".to_vec(), b"a-long-name".to_vec(), b"plain".to_vec(), b"idle".to_vec()];
        let members = || {
            vec![
                (numbered(2), member(7, b"(wsgi:a-lon\0")),
                (numbered(1), member(5, b"(wsgi:alpha)  \0")),
                (ProcessRole::Worker, member(9, b"apache2\0")),
                (numbered(1), member(6, b"(wsgi:alpha)  \0")),
                (numbered(3), member(8, b"apache2\0")),
            ]
        };
        let expected = [
            (Role::Worker, None, false, 1),
            (Role::Wsgi, some("alpha"), false, 2),
            (Role::Wsgi, some("a-long-name"), false, 1),
            (Role::Wsgi, some("plain"), false, 1),
            (Role::Wsgi, some("idle"), false, 0),
        ];
        assert_eq!(names(members(), Some(&configured)), expected);
        let unknown = [
            (Role::Worker, None, false, 1),
            (Role::Wsgi, some("alpha"), false, 2),
            (Role::Wsgi, some("a-lon"), true, 1),
            (Role::Wsgi, None, false, 1),
        ];
        assert_eq!(names(members(), None), unknown);
    }

    #[test]
    fn a_title_that_contradicts_the_configuration_wins() {
        let members = vec![(numbered(1), member(5, b"(wsgi:old)\0"))];
        let found = names(members, Some(&[b"new".to_vec()]));
        assert_eq!(found[1], (Role::Wsgi, some("old"), false, 1));
    }

    #[test]
    fn an_earlier_generation_is_not_what_the_configuration_says() {
        let members = vec![
            (of_generation(1, 1), member(9, b"(wsgi:new)\0")),
            (of_generation(0, 1), member(5, b"(wsgi:old)\0")),
            (of_generation(0, 2), member(6, b"(wsgi:new)\0")),
        ];
        let found = names(members, Some(&[b"new".to_vec()]));
        assert_eq!(
            found[1..],
            [(Role::Wsgi, some("new"), false, 2), (Role::Wsgi, some("old"), false, 1)]
        );
    }

    #[test]
    fn cut_titles_are_completed_or_marked() {
        let configured = [b"shop-one".to_vec(), b"shop-two".to_vec(), b"blog".to_vec()];
        let titled = |text: &[u8]| vec![(ProcessRole::Titled(text.to_vec(), true), member(5, b""))];
        assert_eq!(
            names(titled(b"bl"), Some(&configured))[1],
            (Role::Wsgi, some("blog"), false, 1)
        );
        assert_eq!(
            names(titled(b"shop-"), Some(&configured))[1],
            (Role::Wsgi, some("shop-"), true, 1)
        );
        let found = groups(titled(b"shop-"), Some(&configured)).pop().unwrap();
        assert_eq!(found.may_be, configured[..2]);
        assert_eq!(names(titled(b"bl"), None)[1], (Role::Wsgi, some("bl"), true, 1));
    }

    #[test]
    fn nobody_is_a_group_of_no_workers() {
        assert_eq!(names(Vec::new(), None), [(Role::Worker, None, false, 0)]);
    }
}
