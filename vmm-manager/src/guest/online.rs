//! What a guest says that it uses of its machine.

use kiln_proto::agent::v1;

use super::GuestError;

/// CPUs and memory in use: a claim of the guest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Online {
    pub cpus: u32,
    /// In whole blocks: as the guest's kernel counts, with what it keeps to itself.
    pub memory_bytes: u64,
}

impl TryFrom<v1::OnlineResponse> for Online {
    type Error = GuestError;

    fn try_from(response: v1::OnlineResponse) -> Result<Self, GuestError> {
        let v1::OnlineResponse { cpus, memory_blocks, memory_block_bytes } = response;
        let broken = |what: &str| GuestError::Protocol { what: what.to_owned() };
        if cpus == 0 {
            return Err(broken("an agent that runs on no CPU"));
        }
        let memory_bytes = u64::from(memory_blocks).checked_mul(memory_block_bytes);
        let memory_bytes =
            memory_bytes.ok_or_else(|| broken("more memory than can be addressed"))?;
        Ok(Self { cpus, memory_bytes })
    }
}
