//! The names that engines have for containers, from the files that they keep. No engine is asked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use rustix::io::Errno;
use serde_json::Value;

use super::error::{ReadError, ReadResult};
use crate::small_file;

/// Most bytes of such a file that are read. One of podman tells of all containers.
const LONGEST: u64 = 8 << 20;

/// Reads the name of the container with this id from the JSON of a file.
type NameIn = fn(&Value, &str) -> Option<String>;

/// The files in which an engine keeps the name of a container, `ID` for its id, and how they tell it.
/// Those of rootless engines lie in homes, and are left alone.
const FILES: [(&str, &str, NameIn); 9] = [
    ("docker", "/var/lib/docker/containers/ID/config.v2.json", of_docker),
    ("podman", "/var/lib/containers/storage/overlay-containers/containers.json", of_storage),
    (
        "podman",
        "/var/lib/containers/storage/overlay-containers/volatile-containers.json",
        of_storage,
    ),
    ("cri-o", CRIO, of_pod),
    ("containerd", "/run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json", of_pod),
    (
        "containerd",
        "/run/containerd/io.containerd.runtime.v2.task/default/ID/config.json",
        of_nerdctl,
    ),
    ("kubernetes", "/run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json", of_pod),
    ("kubernetes", CRIO, of_pod),
    ("kubernetes", "/var/lib/docker/containers/ID/config.v2.json", of_docker),
];
const CRIO: &str = "/run/containers/storage/overlay-containers/ID/userdata/config.json";

/// Engines whose ids are the names that users chose.
const NAMED: [&str; 3] = ["lxc", "machine", "garden"];

/// The annotations in which the engines of Kubernetes write namespace, pod and container:
/// containerd, and cri-o.
const ANNOTATIONS: [[&str; 3]; 2] = [
    [
        "io.kubernetes.cri.sandbox-namespace",
        "io.kubernetes.cri.sandbox-name",
        "io.kubernetes.cri.container-name",
    ],
    ["io.kubernetes.pod.namespace", "io.kubernetes.pod.name", "io.kubernetes.container.name"],
];

/// The names that were looked up, by `ENGINE:ID`. Many processes are in one container.
#[derive(Default)]
pub(super) struct ContainerNames(RefCell<BTreeMap<Vec<u8>, ReadResult<Vec<u8>>>>);

impl ContainerNames {
    /// Returns the name of a container, from its form `ENGINE:ID`. Errors: absent where no file tells
    /// it, denied where we may not read the file.
    pub fn name(&self, container: &[u8]) -> ReadResult<Vec<u8>> {
        if let Some(known) = self.0.borrow().get(container) {
            return known.clone();
        }
        let name = look_up(container);
        self.0.borrow_mut().insert(container.to_vec(), name.clone());
        name
    }
}

fn look_up(container: &[u8]) -> ReadResult<Vec<u8>> {
    let absent = ReadError::absent("no file of its engine tells the name");
    let at = container.iter().position(|&byte| byte == b':').ok_or(absent)?;
    let (engine, id) = (&container[..at], &container[at + 1..]);
    if NAMED.iter().any(|named| named.as_bytes() == engine) {
        return Ok(id.to_vec());
    }
    // Ids are hexadecimal: see `cgroup`. Anything else could be a path.
    let id = str::from_utf8(id).ok().filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let id = id.ok_or(absent)?;
    let mut denied = None;
    for (_, path, name_in) in FILES.iter().filter(|(of, ..)| of.as_bytes() == engine) {
        match small_file::read(&PathBuf::from(path.replace("ID", id)), LONGEST) {
            Ok(None) => {}
            Ok(Some(text)) => {
                let document = serde_json::from_slice(&text).ok();
                if let Some(name) = document.and_then(|document| name_in(&document, id)) {
                    return Ok(name.into_bytes());
                }
            }
            Err(error) => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                denied = Some(ReadError::from_errno(errno, "the file of its engine", || absent));
            }
        }
    }
    Err(denied.unwrap_or(absent))
}

/// Docker writes `/web`.
fn of_docker(document: &Value, _: &str) -> Option<String> {
    let name = document.get("Name")?.as_str()?;
    Some(name.strip_prefix('/').unwrap_or(name).to_owned())
}

/// The storage of podman lists all containers.
fn of_storage(document: &Value, id: &str) -> Option<String> {
    let is_it = |entry: &&Value| entry.get("id").and_then(Value::as_str) == Some(id);
    let entry = document.as_array()?.iter().find(is_it)?;
    Some(entry.get("names")?.get(0)?.as_str()?.to_owned())
}

/// nerdctl copies the labels of a container into its configuration (config.json of the OCI).
fn of_nerdctl(document: &Value, _: &str) -> Option<String> {
    Some(document.get("annotations")?.get("nerdctl/name")?.as_str()?.to_owned())
}

/// The engines of Kubernetes annotate the configuration with namespace, pod and container. The
/// container that holds the namespaces of a pod has no name of its own.
fn of_pod(document: &Value, id: &str) -> Option<String> {
    let annotations = document.get("annotations")?;
    let text = |name: &&str| annotations.get(name).and_then(Value::as_str).map(str::to_owned);
    let names = ANNOTATIONS.iter().find_map(|names| {
        let names: Vec<String> = names.iter().filter_map(text).collect();
        (names.len() >= 2).then(|| names.join("/"))
    });
    names.or_else(|| of_nerdctl(document, id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_engine_writes_the_name_in_its_own_way() {
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(of_docker(&json!({"ID": "a", "Name": "/web"}), "a"), name("web"));
        let storage = json!([{"id": "b", "names": ["db"]}, {"id": "a", "names": ["web", "x"]}]);
        assert_eq!(of_storage(&storage, "a"), name("web"));
        assert_eq!(of_storage(&storage, "c"), None);
        let nerdctl =
            json!({"annotations": {"nerdctl/name": "web", "nerdctl/namespace": "default"}});
        assert_eq!(of_nerdctl(&nerdctl, "a"), name("web"));
        let containerd = json!({"annotations": {
            "io.kubernetes.cri.sandbox-namespace": "shop",
            "io.kubernetes.cri.sandbox-name": "web-1",
            "io.kubernetes.cri.container-name": "nginx",
        }});
        assert_eq!(of_pod(&containerd, "a"), name("shop/web-1/nginx"));
        let crio = json!({"annotations": {
            "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.name": "web-1",
            "io.kubernetes.container.name": "nginx",
        }});
        assert_eq!(of_pod(&crio, "a"), name("shop/web-1/nginx"));
        assert_eq!(of_pod(&json!({"annotations": {}}), "a"), None);
    }

    #[test]
    fn what_users_named_is_the_name_and_what_is_no_id_is_not_looked_up() {
        assert_eq!(look_up(b"lxc:web"), Ok(b"web".to_vec()));
        assert_eq!(look_up(b"machine:deb"), Ok(b"deb".to_vec()));
        let absent = ReadError::absent("no file of its engine tells the name");
        for container in [&b"docker:../x"[..], b"docker", b"garden-x", b"other:12", b"podman:\xff"]
        {
            assert_eq!(look_up(container), Err(absent));
        }
    }
}
