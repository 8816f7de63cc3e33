//! The client of registries outside: against a real registry, and against servers that do what none
//! should. All of them are on loopback; a registry's entry says where it may be.

#![cfg(test)]

mod authority;
mod bounds;
mod client;
mod credentials;
mod dying;
mod guard;
mod lying;
mod passwords;
mod presence;
mod push;
mod real;
mod script;
mod secrets;
mod storm;
mod token;
mod uploads;
