//! What a tracer does not know of those that it does not trace.

use expect_test::expect;

use super::{super::Asked, text};
use crate::{
    dsl::parse,
    findings::Findings,
    ids::{Pgid, Pid},
    state::Model,
};

/// 10 started the command 12 through 11, all in one group; what 10 and 11 get no tracer sees.
fn history(asked: Asked, call: &str) -> (Model, Findings) {
    let text = format!(
        "snapshot 1 init {{pp=0 +leader}}
        snapshot 10 bash {{pp=1 +leader}}
        snapshot 11 sesstrace {{pp=10 pg=10 sid=10}}
        snapshot 12 make {{pp=11 pg=10 sid=10}}
        snapshot-end
        12: fork 13
        13: exec cc
        12: > {call}
        12: < {call} = 0
        12: SIGTERM -> 13 taken
        13: exit SIGTERM
        13: dead
        12: wait4(-1,0) = 13 got 13 killed:SIGTERM
    "
    );
    let (mut model, mut rules) = (Model::new(), Findings::new());
    model.seen_by_tracer();
    model.follow(Pid(12));
    rules.ask(asked, None);
    for event in parse(&text).unwrap_or_else(|error| panic!("{error}")) {
        rules.reach(&event, &model);
        let delta = model.apply(&event);
        rules.observe(&event, &delta, &model);
    }
    (model, rules)
}

#[test]
fn whether_a_group_kill_reached_what_is_not_traced_is_not_seen() {
    let (model, rules) = history(Asked::Process(Pid(13)), "kill(0,SIGTERM)");
    expect![[r"
        13 cc died of SIGTERM at @11000
          by: sent by 12 make, to group 10
          lives on: 12 make of the same group did not take it
          not seen: 10 bash, of the same group: what is not traced may have got it too
          reaped by: 12 make
          seen #10 SIGTERM to 13 cc: sent by 12 make, to group 10
          seen #11 13 cc dies of SIGTERM
          seen #14 12 make reaps 13 cc
    "]]
    .assert_eq(&text(&rules.who_killed(&model, Pid(13)).unwrap()));
    let (model, rules) = history(Asked::Group(Pgid(10)), "kill(0,SIGTERM)");
    expect![[r"
        SIGTERM to group 10 at @10000 reached 1 process
          by: sent by 12 make, to group 10
          reached: 13 cc died of it after 1000 ns
          not seen: 10 bash, of the same group: what is not traced may have got it too
          seen #10 SIGTERM to 13 cc: sent by 12 make, to group 10
          seen #11 13 cc dies of SIGTERM
    "]]
    .assert_eq(&rules.signals(&model).iter().map(text).collect::<String>());
}

#[test]
fn of_a_kill_to_one_process_nothing_is_told_of_what_is_not_traced() {
    let (model, rules) = history(Asked::Process(Pid(13)), "kill(13,SIGTERM)");
    expect![[r"
        13 cc died of SIGTERM at @11000
          by: sent by 12 make, to this process alone
          lives on: 12 make of the same group did not get it
          reaped by: 12 make
          seen #10 SIGTERM to 13 cc: sent by 12 make, to this process alone
          seen #11 13 cc dies of SIGTERM
          seen #14 12 make reaps 13 cc
    "]]
    .assert_eq(&text(&rules.who_killed(&model, Pid(13)).unwrap()));
}
