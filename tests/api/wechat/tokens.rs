//! Tokens from their issue to their end.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use qrstack::intake::Peer;
use qrstack::server::{VENDORS, migrations};
use qrstack::store::{Access, Rows, Store, Table};

use super::{APPID, TOKEN, config, errcode, failure, post, stable, text};
use crate::support::{Answer, NOW, Server, request};

/// What the API says of a token: 0 where it counts.
async fn standing(server: &Server, token: &str) -> i64 {
    let body = r#"{"action_name":"QR_SCENE","action_info":{}}"#;
    errcode(&post(server, &format!("/cgi-bin/qrcode/create?access_token={token}"), body).await)
}

/// The store in a folder.
async fn open(folder: &Path) -> Store {
    Store::open(folder, &migrations(), Access::Alone, Duration::ZERO).await.expect("opened")
}

fn token_of(answer: &Answer) -> String {
    text(&answer.json(), "access_token").to_owned()
}

async fn fresh(server: &Server) -> String {
    token_of(&server.get(TOKEN).await)
}

#[tokio::test]
async fn a_token_is_answered_to_the_byte() {
    let server = Server::start().await;
    for answer in [server.get(TOKEN).await, stable(&server, false).await] {
        let token = token_of(&answer);
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.text(), format!(r#"{{"access_token":"{token}","expires_in":7200}}"#));
        assert_eq!(answer.header("content-type"), "application/json; encoding=utf-8");
        assert_eq!(answer.header("connection"), "keep-alive");
        assert_eq!(answer.header("date"), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        let (digits, rest) = token.split_once('_').expect("an underscore");
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{token}");
        assert!(rest.len() >= 130, "{token}");
        assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
    }
}

#[tokio::test]
async fn a_post_counts_with_its_query() {
    let server = Server::start().await;
    let token = token_of(&post(&server, TOKEN, "appid=other").await);
    assert_eq!(standing(&server, &token).await, 0);
}

#[tokio::test]
async fn each_call_gives_a_new_token_and_leaves_the_one_before_five_minutes() {
    let server = Server::start().await;
    let first = fresh(&server).await;
    server.clock.set(NOW + 100);
    let second = fresh(&server).await;
    assert_ne!(first, second);
    server.clock.set(NOW + 399);
    assert_eq!((standing(&server, &first).await, standing(&server, &second).await), (0, 0));
    server.clock.set(NOW + 400);
    assert_eq!((standing(&server, &first).await, standing(&server, &second).await), (40001, 0));
    server.clock.set(NOW + 7299);
    assert_eq!(standing(&server, &second).await, 0);
    server.clock.set(NOW + 7300);
    assert_eq!(standing(&server, &second).await, 42001);
    fresh(&server).await;
    assert_eq!(standing(&server, &second).await, 42001, "it ended by itself");
}

#[tokio::test]
async fn an_expired_token_is_answered_with_code_and_text() {
    let server = Server::start().await;
    server.clock.set(NOW - 7200);
    let token = fresh(&server).await;
    server.clock.set(NOW);
    let answer = server.get(&format!("/cv/img/qrcode?access_token={token}")).await;
    assert_eq!(failure(&answer), (42001, "access_token expired".to_owned()));
}

#[tokio::test]
async fn a_stable_token_stays_until_its_last_five_minutes() {
    let server = Server::start().await;
    let first = token_of(&stable(&server, false).await);
    server.clock.set(NOW + 6899);
    let answer = stable(&server, false).await;
    assert_eq!(answer.text(), format!(r#"{{"access_token":"{first}","expires_in":301}}"#));
    server.clock.set(NOW + 6900);
    let answer = stable(&server, false).await;
    let second = token_of(&answer);
    assert_ne!(first, second);
    assert_eq!(answer.json()["expires_in"], 7200);
    assert_eq!(token_of(&stable(&server, false).await), second);
    server.clock.set(NOW + 7199);
    assert_eq!((standing(&server, &first).await, standing(&server, &second).await), (0, 0), "both count");
    server.clock.set(NOW + 7200);
    assert_eq!((standing(&server, &first).await, standing(&server, &second).await), (42001, 0));
}

#[tokio::test]
async fn a_forced_refresh_ends_the_token_at_once_but_not_twice_within_thirty_seconds() {
    let server = Server::start().await;
    let first = token_of(&stable(&server, false).await);
    server.clock.set(NOW + 10);
    let second = token_of(&stable(&server, true).await);
    assert_ne!(first, second);
    assert_eq!((standing(&server, &first).await, standing(&server, &second).await), (40001, 0));
    server.clock.set(NOW + 39);
    let answer = stable(&server, true).await;
    assert_eq!(answer.text(), format!(r#"{{"access_token":"{second}","expires_in":7171}}"#));
    server.clock.set(NOW + 40);
    let third = token_of(&stable(&server, true).await);
    assert_ne!(second, third);
    assert_eq!((standing(&server, &second).await, standing(&server, &third).await), (40001, 0));
    assert_eq!(token_of(&stable(&server, false).await), third);
}

#[tokio::test]
async fn a_forced_refresh_ends_both_tokens_of_an_overlap() {
    let server = Server::start().await;
    let first = token_of(&stable(&server, false).await);
    server.clock.set(NOW + 7000);
    let second = token_of(&stable(&server, false).await);
    stable(&server, true).await;
    assert_eq!((standing(&server, &first).await, standing(&server, &second).await), (40001, 40001));
}

#[tokio::test]
async fn the_two_kinds_leave_each_other_alone() {
    let server = Server::start().await;
    let (plain, kept) = (fresh(&server).await, token_of(&stable(&server, false).await));
    fresh(&server).await;
    server.clock.set(NOW + 300);
    assert_eq!((standing(&server, &plain).await, standing(&server, &kept).await), (40001, 0));
    let plain = fresh(&server).await;
    stable(&server, true).await;
    assert_eq!((standing(&server, &plain).await, standing(&server, &kept).await), (0, 40001));
}

#[tokio::test]
async fn accounts_leave_each_other_alone() {
    let server = Server::with(&[("wechat_apps", "wx1:s1,wx2:s2")]).await;
    let target = |n| format!("/cgi-bin/token?grant_type=client_credential&appid=wx{n}&secret=s{n}");
    let first = token_of(&server.get(&target(1)).await);
    server.get(&target(2)).await;
    server.clock.set(NOW + 301);
    assert_eq!(standing(&server, &first).await, 0);
    let crossed = "/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=s2";
    assert_eq!(errcode(&server.get(crossed).await), 40125);
}

#[tokio::test]
async fn a_token_is_taken_from_the_query_under_both_names() {
    let server = Server::start().await;
    let token = fresh(&server).await;
    let body = r#"{"action_name":"QR_SCENE","action_info":{}}"#;
    for query in [
        format!("access_token={token}"),
        format!("cloudbase_access_token={token}"),
        format!("access_token=&cloudbase_access_token={token}"),
        format!("x=1&access_token={token}&access_token=other"),
    ] {
        let answer = post(&server, &format!("/cgi-bin/qrcode/create?{query}"), body).await;
        assert_eq!(errcode(&answer), 0, "{query}");
    }
}

#[tokio::test]
async fn a_fixed_token_never_expires() {
    let server = Server::with(&[super::FIXED]).await;
    server.clock.set(NOW + 1_000_000_000);
    assert_eq!(standing(&server, "T").await, 0);
    assert_eq!(standing(&server, "t").await, 40001);
}

#[tokio::test]
async fn tokens_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, kept) = {
        let server = Server::on(config(&[]), open(folder.path()).await);
        (fresh(&server).await, token_of(&stable(&server, false).await))
    };
    let server = Server::on(config(&[]), open(folder.path()).await);
    assert_eq!(standing(&server, &plain).await, 0);
    assert_eq!(token_of(&stable(&server, false).await), kept);
    fresh(&server).await;
    server.clock.set(NOW + 300);
    assert_eq!(standing(&server, &plain).await, 40001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshes_at_once_give_one_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let server = std::sync::Arc::new(Server::on(config(&[]), store));
    for (force, at) in [(false, NOW), (true, NOW + 60)] {
        server.clock.set(at);
        let callers: Vec<_> = (0..12)
            .map(|_| {
                let server = std::sync::Arc::clone(&server);
                tokio::spawn(async move { token_of(&stable(&server, force).await) })
            })
            .collect();
        let mut tokens = BTreeSet::new();
        for caller in callers {
            tokens.insert(caller.await.expect("joined"));
        }
        assert_eq!(tokens.len(), 1, "force {force}");
        assert_eq!(standing(&server, tokens.first().expect("one")).await, 0);
    }
    // Plain tokens are new for each caller, and each of them counts for five minutes.
    let callers: Vec<_> = (0..12)
        .map(|_| {
            let server = std::sync::Arc::clone(&server);
            tokio::spawn(async move { fresh(&server).await })
        })
        .collect();
    let mut tokens = BTreeSet::new();
    for caller in callers {
        tokens.insert(caller.await.expect("joined"));
    }
    assert_eq!(tokens.len(), 12);
    for token in &tokens {
        assert_eq!(standing(&server, token).await, 0);
    }
    server.clock.set(NOW + 360);
    let mut standings = Vec::new();
    for token in &tokens {
        standings.push(standing(&server, token).await);
    }
    assert_eq!(standings.iter().filter(|standing| **standing == 0).count(), 1, "{standings:?}");
}

/// A server whose ids nobody can guess, as in service: those of a seed are the same however fast they are asked for.
fn unseeded(store: Store) -> Server {
    let server = Server::on(config(&[]), store);
    server.shared().ids().seed(None);
    server
}

async fn in_memory() -> Store {
    Store::in_memory(&migrations()).await.expect("a store in memory")
}

/// Tokens that are given within one second.
async fn many(server: &Server, count: usize) -> Vec<String> {
    let mut tokens = Vec::new();
    for _ in 0..count {
        tokens.push(fresh(server).await);
    }
    tokens
}

async fn standings(server: &Server, tokens: &[String]) -> Vec<i64> {
    let mut standings = Vec::new();
    for token in tokens {
        standings.push(standing(server, token).await);
    }
    standings
}

fn tables() -> Vec<Table> {
    VENDORS.iter().flat_map(|vendor| vendor.tables).copied().collect()
}

/// Rows of a table.
async fn rows(server: &Server, table: &str) -> usize {
    let rows = server.shared().store().rows(&tables(), None).await.expect("read");
    rows[table].len()
}

#[tokio::test]
async fn many_tokens_within_a_second_end_like_others() {
    let server = unseeded(in_memory().await);
    let first = many(&server, 400).await;
    let beginnings: BTreeSet<_> = first.iter().map(|token| &token[..20]).collect();
    assert_eq!(beginnings.len(), 400, "somebody who looks at them sees that they differ");
    for token in &first {
        let (digits, rest) = token.split_once('_').expect("an underscore");
        assert!(digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{token}");
        assert_eq!(token.len(), first[0].len());
        assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
    }
    assert_eq!(standings(&server, &first).await, [0; 400]);
    server.clock.set(NOW + 1);
    let second = many(&server, 20).await;
    server.clock.set(NOW + 299);
    assert_eq!((standings(&server, &first).await, standings(&server, &second).await), (vec![0; 400], vec![0; 20]));
    server.clock.set(NOW + 300);
    let (last, rest) = first.split_last().expect("some");
    assert_eq!((standings(&server, rest).await, standing(&server, last).await), (vec![40001; 399], 0));
    server.clock.set(NOW + 301);
    let (newest, rest) = second.split_last().expect("some");
    assert_eq!((standings(&server, rest).await, standing(&server, last).await), (vec![40001; 19], 40001));
    server.clock.set(NOW + 7200);
    assert_eq!(standing(&server, newest).await, 0);
    server.clock.set(NOW + 7201);
    assert_eq!(standing(&server, newest).await, 42001);
    assert_eq!(standings(&server, &first).await, [40001; 400]);
}

#[tokio::test]
async fn a_token_that_was_never_given_is_told_from_its_neighbours() {
    let server = unseeded(in_memory().await);
    let given = many(&server, 40).await;
    for token in [&given[0], &given[20], &given[39]] {
        for at in 0..token.len() {
            let mut other = token.clone();
            let character = if other.as_bytes()[at] == b'A' { "B" } else { "A" };
            other.replace_range(at..=at, character);
            // Numbers that are not given yet are known to nobody, whoever counts on.
            assert_eq!(standing(&server, &other).await, 40001, "{at}");
        }
        assert_eq!(standing(&server, &token[..token.len() - 1]).await, 40001);
        assert_eq!(standing(&server, &format!("{token}A")).await, 40001);
    }
}

#[tokio::test]
async fn tokens_of_a_busy_second_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let given = {
        let server = unseeded(open(folder.path()).await);
        many(&server, 100).await
    };
    let server = unseeded(open(folder.path()).await);
    assert_eq!(standings(&server, &given).await, [0; 100]);
    server.clock.set(NOW + 1);
    let newest = fresh(&server).await;
    server.clock.set(NOW + 300);
    assert_eq!(standing(&server, &given[99]).await, 0, "it was the last one");
    server.clock.set(NOW + 301);
    assert_eq!(standings(&server, &given).await, [40001; 100]);
    assert_eq!(standing(&server, &newest).await, 0);
}

#[tokio::test]
async fn most_tokens_of_a_busy_second_are_given_without_the_store() {
    let server = unseeded(in_memory().await);
    many(&server, 1000).await;
    let (single, runs) = (rows(&server, "wechat_tokens").await, rows(&server, "wechat_token_runs").await);
    assert!(single == 8 && (1..10).contains(&runs), "{single} and {runs}");
    server.clock.set(NOW + 1);
    many(&server, 3).await;
    assert_eq!(rows(&server, "wechat_tokens").await, 11, "slow ones have their own rows");
}

#[tokio::test]
async fn what_was_given_after_a_snapshot_is_unknown_once_it_is_restored() {
    let server = unseeded(in_memory().await);
    let (store, tables) = (server.shared().store(), tables());
    let before = many(&server, 50).await;
    let rows = store.rows(&tables, None).await.expect("read");
    let after = many(&server, 50).await;
    assert_eq!(standings(&server, &after).await, [0; 50]);
    store.replace_rows(&tables, None, rows).await.expect("restored");
    assert_eq!((standings(&server, &before).await, standings(&server, &after).await), (vec![0; 50], vec![40001; 50]));
    let again = many(&server, 50).await;
    assert_eq!((standings(&server, &again).await, standings(&server, &after).await), (vec![0; 50], vec![40001; 50]));
}

/// Twenty tokens that were given within the second `at`, of which the last one alone counts from five minutes on.
async fn check_end(server: &Server, given: &[String], at: i64) {
    server.clock.set(at + 299);
    assert_eq!(standings(server, given).await, [0; 20]);
    server.clock.set(at + 300);
    let mut expected = [40001; 20];
    expected[19] = 0;
    assert_eq!(standings(server, given).await, expected);
}

#[tokio::test]
async fn tokens_of_a_busy_second_end_like_others_where_memory_was_emptied() {
    let server = unseeded(in_memory().await);
    let (store, tables, nobody) = (server.shared().store(), tables(), ["wx-nobody".into()]);
    let given = many(&server, 20).await;
    store.rows(&tables, None).await.expect("read");
    check_end(&server, &given, NOW).await;
    server.clock.set(NOW + 1000);
    let given = many(&server, 20).await;
    store.replace_rows(&tables, Some(&nobody), Rows::new()).await.expect("nobody's are cleared");
    check_end(&server, &given, NOW + 1000).await;
}

#[tokio::test]
async fn tokens_of_a_busy_second_end_like_others_after_a_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let given = {
        let server = unseeded(open(folder.path()).await);
        let given = many(&server, 20).await;
        server.shared().store().close().await;
        given
    };
    check_end(&unseeded(open(folder.path()).await), &given, NOW).await;
}

#[tokio::test]
async fn tokens_of_a_busy_second_end_like_others_where_time_goes_back() {
    let server = unseeded(in_memory().await);
    let given = many(&server, 20).await;
    server.clock.set(NOW + 7201);
    fresh(&server).await;
    check_end(&server, &given, NOW).await;
}

#[tokio::test]
async fn a_seed_rules_from_its_first_token_on() {
    let expected = many(&Server::start().await, 3).await;
    let server = unseeded(in_memory().await);
    many(&server, 20).await;
    server.shared().ids().seed(Some(1.into()));
    assert_eq!(many(&server, 3).await, expected);
}

#[tokio::test]
async fn a_seed_gives_the_same_tokens_however_fast_they_are_asked_for() {
    let mut tokens = Vec::new();
    for pause in [0, 1] {
        let server = Server::start().await;
        let mut given = Vec::new();
        for number in 0..20 {
            server.clock.set(NOW + number * pause);
            given.push(fresh(&server).await);
        }
        tokens.push(given);
    }
    assert_eq!(tokens[0], tokens[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_get_a_token_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let server = std::sync::Arc::new(unseeded(store));
    let callers: Vec<_> = (0..40)
        .map(|_| {
            let server = std::sync::Arc::clone(&server);
            tokio::spawn(async move { many(&server, 25).await })
        })
        .collect();
    let mut tokens = Vec::new();
    for caller in callers {
        tokens.extend(caller.await.expect("joined"));
    }
    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), 1000);
    assert_eq!(standings(&server, &tokens).await, [0; 1000]);
    server.clock.set(NOW + 300);
    let standings = standings(&server, &tokens).await;
    assert_eq!(standings.iter().filter(|standing| **standing == 0).count(), 1, "the last one");
}

#[tokio::test]
async fn quotas_are_off_unless_they_are_set() {
    let long = "reach max api daily quota limit, could get access_token by getStableAccessToken, more details at \
                https://mmbizurl.cn/s/JtxxFh33r";
    let server = Server::with(&[("wechat_token_daily_limit", "2")]).await;
    fresh(&server).await;
    fresh(&server).await;
    assert_eq!(failure(&server.get(TOKEN).await), (45009, long.to_owned()));
    assert_eq!(errcode(&stable(&server, false).await), 0, "another quota");
    // Midnight in Beijing is 16:00 UTC: 17 h 46 min 40 s later.
    server.clock.set(NOW + 63_999);
    assert_eq!(errcode(&server.get(TOKEN).await), 45009);
    server.clock.set(NOW + 64_000);
    assert_eq!(errcode(&server.get(TOKEN).await), 0);

    let server = Server::with(&[("wechat_stable_token_minute_limit", "1")]).await;
    stable(&server, false).await;
    let text = "api minute-quota reach limit, must slower, retry next minute".to_owned();
    assert_eq!(failure(&stable(&server, false).await), (45011, text));
    server.clock.set(NOW + 60);
    assert_eq!(errcode(&stable(&server, false).await), 0);

    let server = Server::with(&[("wechat_stable_token_daily_limit", "1")]).await;
    stable(&server, false).await;
    assert_eq!(failure(&stable(&server, false).await), (45009, "reach max api daily quota limit".to_owned()));

    let server = Server::with(&[("wechat_force_refresh_daily_limit", "1")]).await;
    let token = token_of(&stable(&server, true).await);
    assert_eq!(token_of(&stable(&server, true).await), token, "within thirty seconds there is no refresh to count");
    server.clock.set(NOW + 30);
    assert_eq!(errcode(&stable(&server, true).await), 45009);
    assert_eq!(token_of(&stable(&server, false).await), token, "it is still there");

    let server = Server::with(&[("wechat_create_daily_limit", "1"), super::FIXED]).await;
    assert_eq!((standing(&server, "T").await, standing(&server, "T").await), (0, 45009));
    assert_eq!(standing(&server, "U").await, 0, "another account");
}

#[tokio::test]
async fn tokens_are_given_to_allowed_addresses_alone() {
    let server = Server::with(&[("wechat_ip_allow", "10.0.0.0/8,2001:db8::/32")]).await;
    for (peer, expected) in [
        ("10.1.2.3:1", 0),
        ("[::ffff:10.1.2.3]:1", 0),
        ("[2001:db8::7]:1", 0),
        ("192.0.2.1:1", 40164),
        ("[2001:db9::7]:1", 40164),
    ] {
        let mut request = request(Method::GET, TOKEN, &[], "");
        request.extensions_mut().insert(Peer(peer.parse().expect("an address")));
        assert_eq!(errcode(&server.send(request).await), expected, "{peer}");
    }
    assert_eq!(errcode(&server.get(TOKEN).await), 40164, "an unknown address");
    assert!(TOKEN.contains(APPID));
}
