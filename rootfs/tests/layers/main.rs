//! From an image to its tree: what every kind of layer and image becomes, and what the ugly ones do not.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod bombs;
mod converted;
mod images;
mod layout;
mod links;
mod many;
mod oddities;
mod play;
mod reading;
mod seeded;
mod skopeo;
mod special;
mod traversal;
mod umoci;
mod whiteouts;
mod writers;
