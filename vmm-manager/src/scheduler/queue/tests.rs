//! The policy, under any sequence of what can happen.

use std::collections::{BTreeMap, HashMap};

use proptest::{collection::vec, prelude::*};

use super::*;

const TOTAL: Budget = Budget { cpus: 16, memory_bytes: 64, disk_bytes: 100, vms: 8 };

fn one(cpus: u32) -> Budget {
    Budget { cpus, memory_bytes: 1, disk_bytes: 1, vms: 1 }
}

#[derive(Clone, Debug)]
enum Act {
    Submit {
        tenant: u8,
        need: Budget,
    },
    /// Of the jobs that there are, by index.
    Withdraw(usize),
    Finish(usize),
    /// A job that runs already.
    Hold {
        tenant: u8,
        need: Budget,
    },
    /// A running job that waits again, in its old place.
    Requeue(usize),
    Start,
}

fn needs() -> impl Strategy<Value = Budget> {
    (1..=TOTAL.cpus, 1..=TOTAL.memory_bytes, 1..=TOTAL.disk_bytes).prop_map(
        |(cpus, memory_bytes, disk_bytes)| Budget { cpus, memory_bytes, disk_bytes, vms: 1 },
    )
}

fn small_needs() -> impl Strategy<Value = Budget> {
    prop_oneof![3 => (1..4_u32).prop_map(one), 1 => needs()]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..4_u8, small_needs()).prop_map(|(tenant, need)| Act::Submit { tenant, need }),
        1 => any::<usize>().prop_map(Act::Withdraw),
        4 => any::<usize>().prop_map(Act::Finish),
        1 => any::<usize>().prop_map(Act::Requeue),
        6 => Just(Act::Start),
    ]
}

/// A queue, and what it should know.
struct World {
    queue: Queue,
    arrivals: u64,
    waiting: BTreeMap<JobId, (String, u64, Budget)>,
    running: BTreeMap<JobId, (String, u64, Budget)>,
}

impl World {
    fn new(total: Budget) -> Self {
        let (waiting, running) = (BTreeMap::new(), BTreeMap::new());
        Self { queue: Queue::new(total), arrivals: 0, waiting, running }
    }

    fn submit(&mut self, tenant: &str, need: Budget) -> JobId {
        self.arrivals += 1;
        let id = JobId::generate();
        self.queue.submit(id.clone(), tenant, self.arrivals, need);
        self.waiting.insert(id.clone(), (tenant.to_owned(), self.arrivals, need));
        id
    }

    fn start(&mut self) -> Option<JobId> {
        let id = self.queue.start()?;
        let job = self.waiting.remove(&id).expect("only what waits is started");
        self.running.insert(id.clone(), job);
        Some(id)
    }

    fn finish(&mut self, id: &JobId) {
        assert!(self.queue.finish(id));
        self.running.remove(id);
    }

    fn act(&mut self, act: &Act) {
        let nth = |jobs: &BTreeMap<JobId, _>, index: usize| {
            jobs.keys().nth(index % jobs.len().max(1)).cloned()
        };
        match act {
            Act::Submit { tenant, need } => {
                self.submit(&tenant.to_string(), *need);
            }
            Act::Withdraw(index) => {
                if let Some(id) = nth(&self.waiting, *index) {
                    assert!(self.queue.withdraw(&id));
                    assert!(!self.queue.withdraw(&id));
                    self.waiting.remove(&id);
                }
            }
            Act::Finish(index) => {
                if let Some(id) = nth(&self.running, *index) {
                    self.finish(&id);
                    assert!(!self.queue.finish(&id));
                }
            }
            Act::Hold { tenant, need } => {
                let (id, tenant) = (JobId::generate(), tenant.to_string());
                self.arrivals += 1;
                self.queue.hold(id.clone(), &tenant, *need);
                self.running.insert(id, (tenant, self.arrivals, *need));
            }
            Act::Requeue(index) => {
                if let Some(id) = nth(&self.running, *index)
                    && let Some((tenant, arrival, need)) = self.running.remove(&id)
                {
                    assert!(self.queue.finish(&id));
                    self.queue.submit(id.clone(), &tenant, arrival, need);
                    self.waiting.insert(id, (tenant, arrival, need));
                }
            }
            Act::Start => {
                self.start();
            }
        }
    }

    fn used(&self) -> Budget {
        self.running.values().fold(Budget::default(), |used, (_, _, need)| used.plus(*need))
    }

    fn holds(&self) {
        assert_eq!(self.queue.in_use(), self.used());
        assert_eq!(self.queue.waiting(), self.waiting.len());
        assert_eq!(self.queue.running(), self.running.len());
        let places = self.queue.places();
        assert_eq!(places.len(), self.waiting.len(), "everyone who waits has one place");
        let free = self.queue.total().minus(self.used());
        for (index, (id, place)) in places.iter().enumerate() {
            assert_eq!(place.position as usize, index + 1);
            let need = self.waiting[id].2;
            let told = match place.waits_for {
                WaitsFor::Turn => free.lacks(need).is_none(),
                WaitsFor::Vms => need.vms > free.vms,
                WaitsFor::Cpus => need.cpus > free.cpus,
                WaitsFor::Memory => need.memory_bytes > free.memory_bytes,
                WaitsFor::Disk => need.disk_bytes > free.disk_bytes,
            };
            assert!(told, "{place:?} is not why {need:?} waits with {free:?}");
        }
    }
}

fn within(used: Budget, total: Budget) -> bool {
    total.lacks(used).is_none()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn budgets_are_never_exceeded(acts in vec(acts(), 1..200)) {
        let mut world = World::new(TOTAL);
        for act in acts {
            world.act(&act);
            prop_assert!(within(world.used(), TOTAL));
            world.holds();
        }
    }

    /// Jobs that were taken over may be more than there is room for; nothing is added to them.
    #[test]
    fn what_is_held_above_the_budget_starts_nothing(
        held in vec((0..3_u8, needs()), 1..6),
        acts in vec(acts(), 1..60),
    ) {
        let mut world = World::new(TOTAL);
        for (tenant, need) in held {
            world.act(&Act::Hold { tenant, need });
        }
        for act in acts {
            let starts = matches!(act, Act::Start);
            let before = world.running.len();
            world.act(&act);
            if starts && world.running.len() > before {
                prop_assert!(within(world.used(), TOTAL));
            }
            world.holds();
        }
    }

    /// Whatever has happened, and whatever order jobs end in: in the end all have run.
    #[test]
    fn every_job_that_fits_alone_runs_in_the_end(
        acts in vec(acts(), 1..100),
        order in vec(any::<usize>(), 1..20),
    ) {
        let mut world = World::new(TOTAL);
        for act in acts {
            world.act(&act);
        }
        for pick in order.into_iter().cycle() {
            while world.start().is_some() {}
            if world.running.is_empty() {
                break;
            }
            world.act(&Act::Finish(pick));
        }
        prop_assert!(world.waiting.is_empty(), "{:?} never ran", world.waiting);
    }

    /// The order that is shown is the order that happens when there is room.
    #[test]
    fn places_are_the_order_in_which_jobs_would_start(acts in vec(acts(), 1..150)) {
        let mut world = World::new(TOTAL);
        for act in acts {
            world.act(&act);
        }
        let foretold: Vec<_> = world.queue.places().into_iter().map(|(id, _)| id).collect();
        // Room for all, with shares as they are: what is used counts as nothing.
        let mut roomy = world.queue.clone();
        roomy.room_for_all();
        let happened: Vec<_> = std::iter::from_fn(|| roomy.start()).collect();
        prop_assert_eq!(foretold, happened);
    }

    /// Tenants that all want more have the same, give or take one job.
    #[test]
    fn equal_demand_gets_equal_shares(
        tenants in 2..6_usize,
        order in vec(any::<prop::sample::Index>(), 60),
        burst in 1..40_usize,
    ) {
        let mut world = World::new(TOTAL);
        // The first one has filled the queue before the others come.
        for tenant in 0..tenants {
            for _ in 0..burst {
                world.submit(&tenant.to_string(), one(2));
            }
        }
        for pick in order {
            while world.start().is_some() {}
            let count = |tenant: usize, jobs: &BTreeMap<JobId, (String, u64, Budget)>| {
                jobs.values().filter(|job| job.0 == tenant.to_string()).count()
            };
            let shares: Vec<_> = (0..tenants).map(|tenant| count(tenant, &world.running)).collect();
            let hungry = (0..tenants).all(|tenant| count(tenant, &world.waiting) > 0);
            let least = shares.iter().min().unwrap();
            // A place that comes free goes to one who has least: so shares that are even stay even,
            // and uneven ones become even. But for the oldest job's, once it was passed often enough.
            if hungry && world.queue.forced().is_none() {
                let next = world.queue.places()[0].0.clone();
                let tenant: usize = world.waiting[&next].0.parse().unwrap();
                prop_assert_eq!(&shares[tenant], least, "{:?}", shares);
            }
            let ids: Vec<_> = world.running.keys().cloned().collect();
            if ids.is_empty() {
                break;
            }
            let ended = pick.get(&ids);
            let tenant = world.running[ended].0.clone();
            world.finish(ended);
            world.submit(&tenant, one(2));
        }
    }
}

#[test]
fn from_an_empty_host_shares_differ_by_one_at_most() {
    let mut world = World::new(TOTAL);
    for _ in 0..20 {
        world.submit("a", one(2));
    }
    for tenant in ["b", "c"] {
        for _ in 0..20 {
            world.submit(tenant, one(2));
        }
    }
    while world.start().is_some() {}
    let mut shares: HashMap<&str, u32> = HashMap::new();
    for (tenant, _, _) in world.running.values() {
        *shares.entry(tenant).or_default() += 1;
    }
    assert_eq!(world.running.len(), 8);
    assert!(shares.values().all(|share| (2..=3).contains(share)), "{shares:?}");
}

/// However many small jobs come in, from its own tenant or from ever new ones.
fn check_large_job_runs(flood: impl Fn(usize) -> String) {
    let mut world = World::new(TOTAL);
    for index in 0..8 {
        world.submit(&flood(index), one(1));
    }
    while world.start().is_some() {}
    let large = world.submit("large", Budget { cpus: 16, ..one(16) });
    for index in 0..1000 {
        world.submit(&flood(index), one(1));
        let oldest = world.running.iter().min_by_key(|(_, job)| job.1).map(|(id, _)| id.clone());
        if let Some(oldest) = oldest {
            world.finish(&oldest);
        }
        while world.start().is_some() {}
        if world.running.contains_key(&large) {
            return;
        }
        world.holds();
    }
    panic!("the large job waits for ever");
}

#[test]
fn a_large_job_is_not_passed_for_ever() {
    check_large_job_runs(|_| "large".to_owned());
    check_large_job_runs(|_| "small".to_owned());
    check_large_job_runs(|index| format!("tenant-{index}"));
}

#[test]
fn what_fits_passes_what_does_not() {
    let mut world = World::new(TOTAL);
    world.submit("a", one(10));
    world.start().unwrap();
    let large = world.submit("a", one(10));
    let small = world.submit("a", one(2));
    let places = world.queue.places();
    assert_eq!(places[0].1, QueuePlace { position: 1, waits_for: WaitsFor::Cpus });
    assert_eq!(places[1].1, QueuePlace { position: 2, waits_for: WaitsFor::Turn });
    assert_eq!(world.start(), Some(small));
    assert_eq!(world.start(), None);
    assert!(world.waiting.contains_key(&large));
}

#[test]
fn a_job_that_is_queued_again_has_its_old_place() {
    let mut world = World::new(TOTAL);
    let first = world.submit("a", one(16));
    world.submit("a", one(16));
    assert_eq!(world.start(), Some(first.clone()));
    world.act(&Act::Requeue(0));
    assert_eq!(world.start(), Some(first));
}

#[test]
fn a_hundred_thousand_jobs_wait_cheaply() {
    let began = std::time::Instant::now();
    let mut world = World::new(TOTAL);
    let mut ids = Vec::new();
    for index in 0..100_000_u32 {
        ids.push(world.submit(&(index % 10).to_string(), one(1)));
    }
    for id in ids.iter().step_by(10) {
        assert!(world.queue.withdraw(id));
        world.waiting.remove(id);
    }
    for _ in 0..20_000 {
        while let Some(_started) = world.start() {}
        let id = world.running.keys().next().cloned().unwrap();
        world.finish(&id);
    }
    let steps = began.elapsed();
    let places = world.queue.places();
    assert_eq!(places.len(), world.waiting.len());
    // Quadratic would be hours.
    assert!(began.elapsed() < std::time::Duration::from_secs(60), "{steps:?}");
}
