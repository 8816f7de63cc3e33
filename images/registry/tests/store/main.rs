//! The store over real files: what it keeps, and what it keeps when it is killed, without room or
//! without power. `KILN_FULL=1` asks for the large counts.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]
#![expect(clippy::print_stdout, reason = "of long tests, where they were")]

mod basics;
mod built;
mod collecting;
mod full;
mod given;
mod killed;
mod load;
mod power;
mod process;
mod referrers;
mod room;
mod script;
