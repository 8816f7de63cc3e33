//! Messages that carry secrets, as they are shown: without them, wherever they stand in another.

use std::fmt;

use crate::{agent, v1};

impl fmt::Debug for v1::SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, value: _, ssh_key } = self;
        f.debug_struct("SecretValue")
            .field("id", id)
            .field("ssh_key", ssh_key)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for agent::v1::BuildPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind: _, name, data: _ } = self;
        let kind = self.kind();
        f.debug_struct("BuildPart").field("kind", &kind).field("name", name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_shown() {
        let value = v1::SecretValue { id: "token".into(), value: "s3cr3t".into(), ssh_key: true };
        let request = v1::CreateBuildRequest { secrets: vec![value], ..Default::default() };
        let kind = agent::v1::build_part::Kind::SshKey.into();
        let part = agent::v1::BuildPart { kind, name: "default".into(), data: "s3cr3t".into() };
        let event = agent::v1::exec_request::Event::Part(part);
        let request_of_agent = agent::v1::ExecRequest { event: Some(event) };
        for (shown, told) in [
            (format!("{request:?} {request:#?}"), "token"),
            (format!("{request_of_agent:?} {request_of_agent:#?}"), "default"),
        ] {
            // As text, and as bytes are shown.
            assert!(!shown.contains("s3cr3t") && !shown.contains("115"), "{shown}");
            assert!(shown.contains(told), "{shown}");
        }
    }
}
