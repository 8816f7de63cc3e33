//! What is taken from the host besides files: each facility has one module that alone speaks to it.

pub mod cgroup;
mod files;
pub(crate) mod helper;
mod kernel;
pub(crate) mod network;
mod socket;
mod users;

pub use self::{
    files::remove_vm,
    kernel::{core_scheduling, has_threads, landlock},
    socket::connect,
    users::{UserError, VmUsers, gives_users},
};
