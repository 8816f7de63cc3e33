//! What stands behind a `\`.

pub(super) enum Escape {
    One(char),
    /// And whether all others are meant.
    Some(Vec<(char, char)>, bool),
    Begin,
    End,
}

/// `None`: not one that is known here, or an error there.
pub(super) fn escape(characters: &mut impl Iterator<Item = char>) -> Option<Escape> {
    let digits = || vec![('0', '9')];
    let blanks = || vec![('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
    let words = || vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
    Some(match characters.next()? {
        'd' => Escape::Some(digits(), false),
        'D' => Escape::Some(digits(), true),
        's' => Escape::Some(blanks(), false),
        'S' => Escape::Some(blanks(), true),
        'w' => Escape::Some(words(), false),
        'W' => Escape::Some(words(), true),
        'a' => Escape::One('\x07'),
        'f' => Escape::One('\x0c'),
        'n' => Escape::One('\n'),
        'r' => Escape::One('\r'),
        't' => Escape::One('\t'),
        'v' => Escape::One('\x0b'),
        'A' => Escape::Begin,
        'z' => Escape::End,
        character if character.is_ascii() && !character.is_ascii_alphanumeric() => {
            Escape::One(character)
        }
        _ => return None,
    })
}
