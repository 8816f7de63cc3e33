//! What is taken from the host besides files: each facility has one module that alone speaks to it.

pub mod cgroup;
