//! What an operator trusts us with: an acknowledged job is never lost and never done twice,
//! whatever is killed, filled or cut.

mod adoption;
mod budgets;
mod debris;
mod drain;
mod full;
mod kills;
mod memory;
mod neighbours;
mod power;
mod released;
mod silence;

use kiln_tests::Story;

pub(crate) fn stories() -> Vec<Story> {
    [
        kills::stories(),
        adoption::stories(),
        drain::stories(),
        full::stories(),
        power::stories(),
        memory::stories(),
        silence::stories(),
        debris::stories(),
        neighbours::stories(),
        budgets::stories(),
    ]
    .concat()
}
