//! `--secret id=ID[,src=FILE|,env=NAME][,type=file|env]`.

use std::{path::PathBuf, str::FromStr};

use super::csv::{self, InvalidCsv};

/// Where a secret's value is; nobody has looked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) id: String,
    pub(crate) from: SecretFrom,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretFrom {
    File(PathBuf),
    Variable(String),
    /// The variable that is called as the secret, or else the file.
    Own,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSecret {
    #[error(transparent)]
    Csv(#[from] InvalidCsv),
    #[error("a secret needs an id: write id=ID,src=FILE or id=ID,env=NAME")]
    NoId,
    #[error("{key} is nothing that a secret has: write id, src, env or type")]
    UnknownKey { key: String },
    #[error("type={kind} is none: write file or env")]
    UnknownType { kind: String },
    #[error("a secret has one value: write src or env, not both")]
    Both,
    #[error("{key}= is empty")]
    Empty { key: &'static str },
}

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let (mut id, mut file, mut variable, mut is_variable) = (None, None, None, false);
        for (key, value) in csv::pairs(csv::fields(text)?)? {
            match key.as_str() {
                "id" => id = Some(value),
                "src" | "source" if file.is_some() => {
                    return Err(InvalidCsv::Twice { key: "src".to_owned() }.into());
                }
                "src" | "source" => file = Some(value),
                "env" => variable = Some(value),
                "type" => match value.as_str() {
                    "file" => is_variable = false,
                    "env" => is_variable = true,
                    _ => return Err(InvalidSecret::UnknownType { kind: value }),
                },
                _ => return Err(InvalidSecret::UnknownKey { key }),
            }
        }
        let id = id.filter(|id| !id.is_empty()).ok_or(InvalidSecret::NoId)?;
        if file.as_deref() == Some("") {
            return Err(InvalidSecret::Empty { key: "src" });
        }
        if variable.as_deref() == Some("") {
            return Err(InvalidSecret::Empty { key: "env" });
        }
        let from = match (file, variable) {
            (Some(_), Some(_)) => return Err(InvalidSecret::Both),
            // As buildx has it: type=env,src=NAME.
            (Some(name), None) if is_variable => SecretFrom::Variable(name),
            (Some(file), None) => SecretFrom::File(file.into()),
            (None, Some(name)) => SecretFrom::Variable(name),
            (None, None) if is_variable => SecretFrom::Variable(id.clone()),
            (None, None) => SecretFrom::Own,
        };
        Ok(Self { id, from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_variables() {
        let check = |text: &str, id: &str, from| {
            assert_eq!(text.parse(), Ok(Secret { id: id.to_owned(), from }), "{text}");
        };
        check("id=a", "a", SecretFrom::Own);
        check("id=a,src=f", "a", SecretFrom::File("f".into()));
        check("id=a,source=f,type=file", "a", SecretFrom::File("f".into()));
        check("id=a,\"src=f,g\"", "a", SecretFrom::File("f,g".into()));
        check("id=a,env=V", "a", SecretFrom::Variable("V".to_owned()));
        check("type=env,id=a,src=V", "a", SecretFrom::Variable("V".to_owned()));
        check("type=env,id=a", "a", SecretFrom::Variable("a".to_owned()));
    }

    #[test]
    fn all_else_is_refused() {
        let check = |text: &str, expected| assert_eq!(text.parse::<Secret>(), Err(expected));
        check("src=f", InvalidSecret::NoId);
        check("id=,src=f", InvalidSecret::NoId);
        check("id=a,src=f,env=V", InvalidSecret::Both);
        check("id=a,type=disk", InvalidSecret::UnknownType { kind: "disk".to_owned() });
        check("id=a,mode=1", InvalidSecret::UnknownKey { key: "mode".to_owned() });
        check("id=a,src=", InvalidSecret::Empty { key: "src" });
        check("a", InvalidCsv::NoPair { field: "a".to_owned() }.into());
        check("id=a,src=f,source=g", InvalidCsv::Twice { key: "src".to_owned() }.into());
    }
}
