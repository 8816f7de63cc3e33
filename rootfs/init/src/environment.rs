//! The environment of an image's command, as docker puts it together.

/// What docker looks programs up in when the image does not say.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables, each once, in the order in which they were first named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    variables: Vec<(String, String)>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVariable {
    #[error("{0:?} in the image's environment has no name before its =")]
    Name(String),
    #[error("{0:?} in the image's environment contains a zero byte")]
    Zero(String),
}

impl Environment {
    /// `PATH` and `HOSTNAME` are what an image has without asking. Its own come over them, the last one
    /// of a name wins, and one without `=` takes docker's away. `HOME` is the user's, unless the image
    /// says something of its own that is not empty.
    pub fn of(image: &[String], hostname: &str, home: &str) -> Result<Self, InvalidVariable> {
        let mut environment = Self { variables: Vec::new() };
        environment.set("PATH", DEFAULT_PATH);
        environment.set("HOSTNAME", hostname);
        for variable in image {
            if variable.contains('\0') {
                return Err(InvalidVariable::Zero(variable.clone()));
            }
            match variable.split_once('=') {
                Some(("", _)) => return Err(InvalidVariable::Name(variable.clone())),
                Some((name, value)) => environment.set(name, value),
                // docker knows no taking away of what the image itself has said.
                None if !is_said(image, variable) => environment.remove(variable),
                None => {}
            }
        }
        if environment.value("HOME").is_none_or(str::is_empty) {
            environment.set("HOME", home);
        }
        Ok(environment)
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.variables.push((name.to_owned(), value.to_owned())),
        }
    }

    fn remove(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }
}

fn is_said(image: &[String], name: &str) -> bool {
    let mut names = image.iter().filter_map(|variable| variable.split_once('='));
    names.any(|(known, _)| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(image: &[&str], expected: &[&str]) {
        let image: Vec<String> = image.iter().map(|&variable| variable.to_owned()).collect();
        let environment = Environment::of(&image, "host", "/home/app").unwrap();
        let found: Vec<String> =
            environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_image_has_what_docker_gives_it() {
        let path = format!("PATH={DEFAULT_PATH}");
        check(&[], &[&path, "HOSTNAME=host", "HOME=/home/app"]);
        check(&["A=1", "B="], &[&path, "HOSTNAME=host", "A=1", "B=", "HOME=/home/app"]);
        check(&["A==x=y"], &[&path, "HOSTNAME=host", "A==x=y", "HOME=/home/app"]);
    }

    #[test]
    fn what_the_image_says_wins() {
        check(&["PATH=/bin", "HOSTNAME=x"], &["PATH=/bin", "HOSTNAME=x", "HOME=/home/app"]);
        check(&["PATH="], &["PATH=", "HOSTNAME=host", "HOME=/home/app"]);
        check(&["HOME=/x", "PATH=p"], &["PATH=p", "HOSTNAME=host", "HOME=/x"]);
        check(&["HOME=", "PATH=p"], &["PATH=p", "HOSTNAME=host", "HOME=/home/app"]);
        check(&["A=1", "PATH=p", "A=2"], &["PATH=p", "HOSTNAME=host", "A=2", "HOME=/home/app"]);
    }

    #[test]
    fn without_a_sign_a_variable_of_dockers_goes() {
        check(&["PATH"], &["HOSTNAME=host", "HOME=/home/app"]);
        check(&["PATH", "HOSTNAME", "A"], &["HOME=/home/app"]);
        check(&["PATH=p", "A=1", "A"], &["PATH=p", "HOSTNAME=host", "A=1", "HOME=/home/app"]);
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        let of = |variable: &str| Environment::of(&[variable.to_owned()], "", "").unwrap_err();
        assert_eq!(of("=x"), InvalidVariable::Name("=x".to_owned()));
        assert_eq!(of("A=\0"), InvalidVariable::Zero("A=\0".to_owned()));
    }
}
