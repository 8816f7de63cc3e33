//! Small images.

use crate::{
    init::{ImageCommand, InitError, Installed, Strategy, content, install, place, plant::Plant},
    store::Store,
    tree::{Kind, Metadata, Time, Tree},
};

pub(super) const MADE_AT: Time = Time { seconds: 1_700_000_000, nanoseconds: 5 };

/// A tree with its files' bytes, and what its configuration says.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) tree: Tree,
    pub(super) store: Store,
    pub(super) config: ImageCommand,
}

impl Image {
    /// With the command's words, and a static `/bin/app`.
    pub(super) fn new(command: &[&str]) -> Self {
        let config = ImageCommand {
            architecture: "amd64".to_owned(),
            arguments: strings(command),
            ..ImageCommand::default()
        };
        let tree = Tree::new(Metadata { mode: 0o755, ..Metadata::default() });
        let image = Self { tree, store: Store::default(), config };
        image.file("/bin/app", 0o755, elf(62, None))
    }

    pub(super) fn file(mut self, path: &str, mode: u16, bytes: impl Into<Vec<u8>>) -> Self {
        self.plant(|plant| plant.file(path, mode, bytes.into()).unwrap());
        self
    }

    pub(super) fn link(mut self, path: &str, target: &str) -> Self {
        self.plant(|plant| plant.link(path, target).unwrap());
        self
    }

    pub(super) fn directory(mut self, path: &str) -> Self {
        self.plant(|plant| plant.directory(path, 0o700).unwrap());
        self
    }

    pub(super) fn owned(mut self, path: &str, user: u32, group: u32) -> Self {
        let node = place::find(&self.tree, path).unwrap();
        let metadata = &mut self.tree.node_mut(node).metadata;
        (metadata.user, metadata.group) = (user, group);
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut ImageCommand)) -> Self {
        change(&mut self.config);
        self
    }

    pub(super) fn users(self) -> Self {
        let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n\
            many:x:1001:1001::/:\nodd.one:x:1002:1002::/:\n";
        let group = "root:x:0:\napp:x:1000:\nmany:x:1001:\nadm:x:4:many,root\n";
        self.file("/etc/passwd", 0o644, passwd).file("/etc/group", 0o644, group)
    }

    fn plant<T>(&mut self, add: impl FnOnce(&mut Plant<'_>) -> T) -> T {
        add(&mut Plant::new(&mut self.tree, &mut self.store, Time::default()))
    }

    pub(super) fn install(&mut self, strategy: &Strategy) -> Result<Installed, InitError> {
        install(&mut self.tree, &mut self.store, &self.config, strategy, MADE_AT)
    }

    /// The whole reason.
    pub(super) fn refused(mut self, strategy: &Strategy) -> String {
        let error = self.install(strategy).unwrap_err();
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            message.push_str(": ");
            message.push_str(&error.to_string());
            source = error.source();
        }
        message
    }

    pub(super) fn text(&self, path: &str) -> String {
        let node = place::find(&self.tree, path).unwrap();
        String::from_utf8(content::whole(&self.tree, &self.store, node, 1 << 20).unwrap()).unwrap()
    }

    pub(super) fn metadata(&self, path: &str) -> &Metadata {
        &self.tree.node(place::find(&self.tree, path).unwrap()).metadata
    }

    /// What a link says, found by its own name.
    pub(super) fn target(&self, path: &str) -> String {
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = place::find(&self.tree, parent).unwrap();
        match &self.tree.node(self.tree.child(parent, name.as_bytes()).unwrap()).kind {
            Kind::Symlink(target) => String::from_utf8(target.to_vec()).unwrap(),
            other => panic!("{path} is {other:?}"),
        }
    }
}

pub(super) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// A binary of 64 bits, with as much in it as a kernel looks at.
pub(super) fn elf(machine: u16, interpreter: Option<&str>) -> Vec<u8> {
    let mut bytes = vec![0; 64 + 56];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[16..18].copy_from_slice(&3_u16.to_le_bytes());
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
    bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
    bytes[56..58].copy_from_slice(&1_u16.to_le_bytes());
    if let Some(interpreter) = interpreter {
        bytes[64..68].copy_from_slice(&3_u32.to_le_bytes());
        bytes[72..80].copy_from_slice(&120_u64.to_le_bytes());
        bytes[96..104].copy_from_slice(&(interpreter.len() as u64 + 1).to_le_bytes());
        bytes.extend_from_slice(interpreter.as_bytes());
        bytes.push(0);
    }
    bytes
}
