//! Whether what is stored may be served, and whether the registry is asked. Asks nobody: what is
//! known goes in, a decision comes out.

use std::time::{Duration, SystemTime};

use crate::record::Origin;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// A right confirmed so recently is not asked for again.
    pub fresh: Duration,
    /// What is private is served without its registry to who was let in by it within this time.
    pub rights: Duration,
    /// A registry that takes longer to answer is not there, where what is stored can stand in.
    pub patience: Duration,
}

/// What this host knows of a tenant's right to read a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    /// When its registry last served it to this tenant.
    pub confirmed_at: Option<SystemTime>,
    /// It is served to anyone, without credentials.
    pub is_public: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// May mean something else by now.
    ByTag,
    ByDigest,
}

/// How far the caller reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Registry,
    /// Its policy lets it have what is stored, and nothing else.
    Stored,
    /// This host is cut off from all registries, by its operator.
    Offline,
    /// Its policy doesn't name this registry.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub reach: Reach,
    pub named: Named,
    /// In this very repository.
    pub is_stored: bool,
    pub rights: Rights,
    pub now: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Serve(Origin),
    Ask,
    /// Also for what is stored and private: who may not read it does not learn that it is here.
    NotHere(Reach),
}

pub(crate) fn decide(case: &Case, ages: &Ages) -> Decision {
    match case.reach {
        Reach::Nothing => Decision::NotHere(Reach::Nothing),
        Reach::Registry if is_fresh(case, ages) => Decision::Serve(Origin::Confirmed),
        Reach::Registry => Decision::Ask,
        Reach::Stored | Reach::Offline if may_go_stale(case, ages) => {
            Decision::Serve(Origin::Stale)
        }
        reach @ (Reach::Stored | Reach::Offline) => Decision::NotHere(reach),
    }
}

/// Whether what is stored stands in for a registry that is not there to ask.
pub(crate) fn may_go_stale(case: &Case, ages: &Ages) -> bool {
    case.reach != Reach::Nothing
        && case.is_stored
        && (case.rights.is_public || is_within(ages.rights, case))
}

fn is_fresh(case: &Case, ages: &Ages) -> bool {
    case.is_stored && case.named == Named::ByDigest && is_within(ages.fresh, case)
}

/// A right from the future is none: the clock was set back, and its age can't be told.
fn is_within(age: Duration, case: &Case) -> bool {
    case.rights
        .confirmed_at
        .and_then(|at| case.now.duration_since(at).ok())
        .is_some_and(|passed| passed < age)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGES: Ages = Ages {
        fresh: Duration::from_secs(60),
        rights: Duration::from_secs(24 * 60 * 60),
        patience: Duration::from_secs(10),
    };

    fn cases() -> impl Strategy<Value = Case> {
        let reach = prop_oneof![
            Just(Reach::Registry),
            Just(Reach::Stored),
            Just(Reach::Offline),
            Just(Reach::Nothing)
        ];
        let named = prop_oneof![Just(Named::ByTag), Just(Named::ByDigest)];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000_000);
        // Dense where something changes, and in the future too.
        let age = prop_oneof![-100..100i64, 86_300..86_500i64, -1_000_000..1_000_000i64];
        let confirmed_at = proptest::option::of(age).prop_map(move |age| {
            let by = |age: i64| Duration::from_secs(age.unsigned_abs());
            age.map(|age| if age < 0 { now + by(age) } else { now - by(age) })
        });
        (reach, named, any::<bool>(), confirmed_at, any::<bool>()).prop_map(
            move |(reach, named, is_stored, confirmed_at, is_public)| Case {
                reach,
                named,
                is_stored,
                rights: Rights { confirmed_at, is_public },
                now,
            },
        )
    }

    /// In seconds; none: never, or in the future.
    fn age(case: &Case) -> Option<u64> {
        let at = case.rights.confirmed_at?;
        case.now.duration_since(at).ok().map(|age| age.as_secs())
    }

    proptest! {
        #[test]
        fn only_what_is_stored_is_served(case in cases()) {
            if !case.is_stored {
                prop_assert!(!matches!(decide(&case, &AGES), Decision::Serve(_)));
                prop_assert!(!may_go_stale(&case, &AGES));
            }
        }

        #[test]
        fn private_content_needs_a_right_that_is_young_enough(case in cases()) {
            let served = matches!(decide(&case, &AGES), Decision::Serve(_));
            if (served || may_go_stale(&case, &AGES)) && !case.rights.is_public {
                prop_assert!(age(&case).is_some_and(|age| age < 86_400));
            }
        }

        #[test]
        fn a_tag_is_asked_for_each_time(case in cases()) {
            if case.reach == Reach::Registry && case.named == Named::ByTag {
                prop_assert_eq!(decide(&case, &AGES), Decision::Ask);
            }
        }

        #[test]
        fn a_digest_is_asked_for_unless_this_tenant_was_let_in_just_now(case in cases()) {
            if case.reach == Reach::Registry && case.named == Named::ByDigest {
                let is_fresh = case.is_stored && age(&case).is_some_and(|age| age < 60);
                let expected =
                    if is_fresh { Decision::Serve(Origin::Confirmed) } else { Decision::Ask };
                prop_assert_eq!(decide(&case, &AGES), expected);
            }
        }

        #[test]
        fn who_may_not_ask_never_does(case in cases()) {
            if case.reach != Reach::Registry {
                prop_assert_ne!(decide(&case, &AGES), Decision::Ask);
                prop_assert_ne!(decide(&case, &AGES), Decision::Serve(Origin::Confirmed));
            }
            if case.reach == Reach::Nothing {
                prop_assert_eq!(decide(&case, &AGES), Decision::NotHere(Reach::Nothing));
            }
        }

        #[test]
        fn what_is_private_and_what_is_not_here_look_the_same(case in cases()) {
            let absent = Case { is_stored: false, ..case };
            let nobody = Case { rights: Rights::default(), is_stored: true, ..case };
            prop_assert_eq!(decide(&absent, &AGES), decide(&nobody, &AGES));
        }

        #[test]
        fn public_content_that_is_stored_is_always_there(case in cases()) {
            let rights = Rights { is_public: true, ..case.rights };
            let case = Case { is_stored: true, rights, ..case };
            if matches!(case.reach, Reach::Stored | Reach::Offline) {
                prop_assert_eq!(decide(&case, &AGES), Decision::Serve(Origin::Stale));
            }
        }
    }
}
