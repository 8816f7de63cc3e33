//! A list of system calls, and what of each is allowed.

use std::collections::BTreeMap;

/// Whatever is not in it is denied.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    pub(super) known: BTreeMap<u32, Allowed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Always,
    /// Where all conditions of one case hold.
    When(Vec<Case>),
    /// Answered as by a kernel that does not have it.
    Absent,
}

/// At most as many as there are arguments.
pub(super) type Case = Vec<Condition>;

/// Holds where of an argument's lower half, in which all that matters is, the bits of `mask` are
/// `value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) argument: u8,
    pub(super) mask: u32,
    pub(super) value: u32,
}

impl Condition {
    /// That the argument is `value`.
    pub(super) const fn is(argument: u8, value: u32) -> Self {
        Self { argument, mask: u32::MAX, value }
    }
}

impl Calls {
    /// Whatever their arguments.
    pub(super) fn always(&mut self, numbers: &[i64]) {
        self.known.extend(numbers.iter().map(|call| (number(*call), Allowed::Always)));
    }

    pub(super) fn absent(&mut self, numbers: &[i64]) {
        self.known.extend(numbers.iter().map(|call| (number(*call), Allowed::Absent)));
    }

    /// Only as the conditions that follow allow.
    pub(super) fn never(&mut self, call: i64) {
        self.known.remove(&number(call));
    }

    /// Also where an argument is one of `values`.
    pub(super) fn one_of(&mut self, call: i64, argument: u8, values: &[u32]) {
        self.masked(call, argument, u32::MAX, values);
    }

    /// Also where of an argument's bits those of `mask` are one of `values`.
    pub(super) fn masked(&mut self, call: i64, argument: u8, mask: u32, values: &[u32]) {
        for value in values {
            self.case(call, &[Condition { argument, mask, value: *value }]);
        }
    }

    /// Also where all `conditions` hold.
    pub(super) fn case(&mut self, call: i64, conditions: &[Condition]) {
        match self.known.entry(number(call)).or_insert_with(|| Allowed::When(Vec::new())) {
            Allowed::When(cases) => cases.push(conditions.to_vec()),
            Allowed::Always | Allowed::Absent => {}
        }
    }
}

/// The kernel's own type of it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the numbers of system calls are small and start at zero"
)]
pub(super) fn number(call: i64) -> u32 {
    call as u32
}
