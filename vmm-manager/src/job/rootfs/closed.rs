//! Sets of words that are closed: what is none of them is nobody's.

/// An enum whose values have one name each, on the wire, in the store and for the converter.
macro_rules! closed {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$of:meta])* $value:ident = $word:literal),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$of])* $value),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }

            /// `None`: it is none.
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == word)
            }
        }
    };
}

pub(in crate::job) use closed;
