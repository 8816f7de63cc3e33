//! What a graph may hold of texts, all together: it stands in memory, and in the job's record.

use crate::build::event::{StepEvent, WarningEvent};

/// Of all steps, and as much of all warnings again.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Of a name, once the room is used up.
const SHORT_NAME_CHARACTERS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Budget {
    steps: usize,
    warnings: usize,
}

impl Budget {
    /// The step, without what there is no room for.
    pub(super) fn take(&mut self, mut step: StepEvent) -> StepEvent {
        if self.steps + size(&step) > MAX_TEXT_BYTES {
            step.inputs = Vec::new();
            step.digest = String::new();
            step.name = step.name.chars().take(SHORT_NAME_CHARACTERS).collect();
            // That it failed is told all the same.
            step.error = step.error.map(|_| "an error that there was no room for".to_owned());
        }
        self.steps += size(&step);
        step
    }

    pub(super) fn give_back(&mut self, step: &StepEvent) {
        self.steps -= size(step);
    }

    /// Whether there was room for it.
    pub(super) fn takes_warning(&mut self, warning: &WarningEvent) -> bool {
        let WarningEvent { step: _, text, details, url, file, line: _ } = warning;
        let details: usize = details.iter().map(|detail| detail.len() + size_of::<String>()).sum();
        let size = text.len() + details + url.len() + file.len();
        let fits = self.warnings + size <= MAX_TEXT_BYTES;
        if fits {
            self.warnings += size;
        }
        fits
    }
}

fn size(step: &StepEvent) -> usize {
    let error = step.error.as_ref().map_or(0, String::len);
    step.digest.len() + step.name.len() + error + step.inputs.len() * size_of::<u32>()
}
