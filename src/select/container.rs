//! Containers, as users name them.

/// The name of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerName {
    /// Its engine, if it is named.
    pub engine: Option<Vec<u8>>,
    /// Its id, the beginning of that, or the name that the user chose for it.
    pub id: Vec<u8>,
}

/// Digits of an id that are enough to name a container. Engines show 12.
const FEWEST_DIGITS: usize = 4;

impl ContainerName {
    /// Engines that the property `container` tells.
    pub const ENGINES: [&str; 8] =
        ["docker", "podman", "cri-o", "containerd", "kubernetes", "lxc", "garden", "machine"];

    /// Reports whether it means this container, which is named as "engine:id".
    pub fn means(&self, container: &[u8]) -> bool {
        let mut parts = container.splitn(2, |&byte| byte == b':');
        let (Some(engine), Some(id)) = (parts.next(), parts.next()) else { return false };
        let is_engine = self.engine.as_deref().is_none_or(|wanted| wanted == engine);
        is_engine && (id == self.id || self.may_begin(id))
    }

    /// Reports whether it may be the beginning of an id only, and of more than one.
    pub fn is_short(&self) -> bool {
        const SHOWN: usize = 12;
        self.is_beginning() && self.id.len() < SHOWN
    }

    fn may_begin(&self, id: &[u8]) -> bool {
        self.is_beginning() && is_hexadecimal(id) && id.starts_with(&self.id)
    }

    fn is_beginning(&self) -> bool {
        self.id.len() >= FEWEST_DIGITS && is_hexadecimal(&self.id)
    }
}

fn is_hexadecimal(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_may_be_cut_and_names_may_not() {
        let docker = b"docker:0123456789abcdef0123456789abcdef";
        let name = |engine: Option<&str>, id: &str| ContainerName {
            engine: engine.map(|engine| engine.as_bytes().to_vec()),
            id: id.as_bytes().to_vec(),
        };
        for (name, container, means) in [
            (name(None, "0123456789ab"), &docker[..], true),
            (name(None, "0123"), docker, true),
            (name(Some("docker"), "0123"), docker, true),
            (name(Some("podman"), "0123"), docker, false),
            (name(None, "012"), docker, false),
            (name(None, "123456"), docker, false),
            (name(None, "web"), b"lxc:web", true),
            (name(None, "web"), b"lxc:website", false),
            (name(None, "feed"), b"lxc:feeder", false),
            (name(None, "web"), b"web", false),
        ] {
            assert_eq!(name.means(container), means, "{name:?} {container:?}");
        }
        assert!(name(None, "0123").is_short() && !name(None, "0123456789ab").is_short());
        assert!(!name(None, "web").is_short());
    }
}
