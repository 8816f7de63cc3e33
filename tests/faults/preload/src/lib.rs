//! Stands between a program and libc where it writes files; see `kiln_faults`.
//!
//! Nothing in here calls libc's own writing functions, which would lead back to it: what is to be
//! done is done by system calls. A call on a path that is not the plan's allocates nothing and
//! takes no lock, so a child between fork and exec passes through.

mod calls;
mod decision;
mod log;
mod session;
mod system;
mod target;
