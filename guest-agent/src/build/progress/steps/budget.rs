//! What is held of steps' texts, all together.

use kiln_proto::agent::v1::BuildStep;

const MAX_TEXT_BYTES: usize = 1 << 20;
/// Of a name, once the room is used up.
const SHORT_NAME_CHARACTERS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Budget {
    used: usize,
}

impl Budget {
    /// The step, without what there is no room for.
    pub(super) fn take(&mut self, mut step: BuildStep) -> BuildStep {
        if self.used + size(&step) > MAX_TEXT_BYTES {
            step.inputs = Vec::new();
            step.name = step.name.chars().take(SHORT_NAME_CHARACTERS).collect();
            step.error = step.error.chars().take(SHORT_NAME_CHARACTERS).collect();
        }
        self.used += size(&step);
        step
    }

    pub(super) fn give_back(&mut self, step: &BuildStep) {
        self.used -= size(step);
    }
}

fn size(step: &BuildStep) -> usize {
    step.digest.len() + step.name.len() + step.error.len() + step.inputs.len() * size_of::<u32>()
}
