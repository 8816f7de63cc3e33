//! Images that boot, and those that can't, each with its reason.

mod commands;
mod custom;
mod direct;
mod own;
mod parsed;
mod places;
mod stage;
mod systemd;
