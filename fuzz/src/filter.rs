//! Any text as a filter; one that is understood is asked of a small history.

use std::sync::LazyLock;

use tracer_model::{dsl, event::Event, state::Model};
use tracer_user::filter::Filter;

static HISTORY: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let text = "
        snapshot 1 init {pp=0 +leader}
        snapshot 10 bash {pp=1 +leader tty=pts/0 fg=10}
        snapshot-end
        10: fork 20
        20: setpgid(0,0) = 0
        10: SIGTERM -> 20
    ";
    dsl::parse(text).unwrap_or_default()
});

/// Runs the target.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Filter>() {
        Ok(mut filter) => {
            let mut model = Model::new();
            for event in &*HISTORY {
                let delta = model.apply(event);
                filter.follow(event);
                let _ = filter.holds(event, &delta, &model);
            }
        }
        Err(error) => assert!(error.to_string().contains('^'), "the place is shown"),
    }
}
