//! WeChat's tables: accounts, tokens, codes, counted calls and followers. What a change means is in the file of each table.
//!
//! Tokens and codes change through the store's one writer alone, for many callers at once: what a change reads is what the
//! one before has left.

pub(super) mod codes;
pub(super) mod counts;
pub(super) mod followers;
mod rows;
pub(super) mod tokens;

use crate::store::{Column, Kind, Migration, Table};

pub(super) const MIGRATIONS: &[Migration] = &[FIRST, CURRENT_TOKENS, FOLLOWERS, GATHERED, RUNS, COUNTED];

const FIRST: Migration = Migration {
    version: 2_026_112_131,
    about: "WeChat accounts, tokens, codes and counted calls",
    // Moments are Unix seconds. `expires_at` of a code is null where it never expires.
    sql: "
        CREATE TABLE wechat_accounts (
            appid TEXT NOT NULL PRIMARY KEY,
            permanent_codes BIGINT NOT NULL
        );
        CREATE TABLE wechat_tokens (
            token TEXT NOT NULL PRIMARY KEY,
            appid TEXT NOT NULL,
            kind TEXT NOT NULL,
            forced BOOLEAN NOT NULL,
            issued_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            superseded_at BIGINT
        );
        CREATE INDEX wechat_tokens_of_account ON wechat_tokens (appid, kind, expires_at);
        CREATE INDEX wechat_tokens_by_end ON wechat_tokens (expires_at);
        CREATE TABLE wechat_codes (
            ticket TEXT NOT NULL PRIMARY KEY,
            code TEXT NOT NULL UNIQUE,
            appid TEXT NOT NULL,
            action TEXT NOT NULL,
            scene TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT
        );
        CREATE UNIQUE INDEX wechat_codes_permanent ON wechat_codes (appid, action, scene) WHERE expires_at IS NULL;
        CREATE INDEX wechat_codes_by_end ON wechat_codes (expires_at);
        CREATE TABLE wechat_counts (
            appid TEXT NOT NULL,
            calls_of TEXT NOT NULL,
            period BIGINT NOT NULL,
            calls BIGINT NOT NULL,
            PRIMARY KEY (appid, calls_of)
        );
    ",
};

/// Without it, each new token costs a look at all tokens that the account was given in two hours.
const CURRENT_TOKENS: Migration = Migration {
    version: 2_026_112_232,
    about: "an index of WeChat tokens that nothing supersedes yet",
    sql: "
        DROP INDEX wechat_tokens_of_account;
        CREATE INDEX wechat_tokens_current ON wechat_tokens (appid, kind, expires_at) WHERE superseded_at IS NULL;
    ",
};

const FOLLOWERS: Migration = Migration {
    version: 2_026_112_634,
    about: "WeChat users who follow an account, as scans were acted out",
    sql: "
        CREATE TABLE wechat_followers (
            appid TEXT NOT NULL,
            openid TEXT NOT NULL,
            PRIMARY KEY (appid, openid)
        );
    ",
};

/// As few pages as can be are touched for a row, see [`rows`]. A ticket has its code within it, and needs no index.
const GATHERED: Migration = Migration {
    version: 2_026_112_735,
    about: "WeChat tokens and codes by their keys alone",
    sql: "
        CREATE TABLE gathered_tokens (
            token TEXT NOT NULL PRIMARY KEY,
            appid TEXT NOT NULL,
            kind TEXT NOT NULL,
            forced BOOLEAN NOT NULL,
            issued_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            superseded_at BIGINT
        ) WITHOUT ROWID;
        INSERT INTO gathered_tokens SELECT * FROM wechat_tokens ORDER BY token;
        DROP TABLE wechat_tokens;
        ALTER TABLE gathered_tokens RENAME TO wechat_tokens;
        CREATE INDEX wechat_tokens_current ON wechat_tokens (appid, kind, expires_at) WHERE superseded_at IS NULL;
        CREATE TABLE gathered_codes (
            ticket TEXT NOT NULL,
            code TEXT NOT NULL PRIMARY KEY,
            appid TEXT NOT NULL,
            action TEXT NOT NULL,
            scene TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT
        );
        INSERT INTO gathered_codes SELECT * FROM wechat_codes ORDER BY rowid;
        DROP TABLE wechat_codes;
        ALTER TABLE gathered_codes RENAME TO wechat_codes;
        CREATE UNIQUE INDEX wechat_codes_permanent ON wechat_codes (appid, action, scene) WHERE expires_at IS NULL;
    ",
};

const RUNS: Migration = Migration {
    version: 2_026_112_736,
    about: "WeChat tokens that were given many a second",
    sql: "
        CREATE TABLE wechat_token_runs (
            stem TEXT NOT NULL PRIMARY KEY,
            key TEXT NOT NULL,
            appid TEXT NOT NULL,
            issued_at BIGINT NOT NULL,
            size BIGINT NOT NULL,
            given BIGINT NOT NULL,
            superseded_at BIGINT
        ) WITHOUT ROWID;
        CREATE INDEX wechat_token_runs_current ON wechat_token_runs (appid, issued_at) WHERE superseded_at IS NULL;
    ",
};

/// How many permanent codes an account has is counted once and kept in memory, instead of written with each of them.
const COUNTED: Migration = Migration {
    version: 2_026_112_737,
    about: "no WeChat accounts with a count of codes",
    sql: "DROP TABLE wechat_accounts",
};

/// What requests have left. An account owns its rows by its AppID.
pub(super) const TABLES: &[Table] = {
    use Kind::{Integer, OptionalInteger, Text};
    &[
        Table::gone("wechat_accounts"),
        Table {
            name: "wechat_tokens",
            columns: &[
                Column("appid", Text),
                Column("token", Text),
                Column("kind", Text),
                Column("forced", Integer),
                Column("issued_at", Integer),
                Column("expires_at", Integer),
                Column("superseded_at", OptionalInteger),
            ],
        },
        Table {
            name: "wechat_token_runs",
            columns: &[
                Column("appid", Text),
                Column("stem", Text),
                Column("key", Text),
                Column("issued_at", Integer),
                Column("size", Integer),
                Column("given", Integer),
                Column("superseded_at", OptionalInteger),
            ],
        },
        Table {
            name: "wechat_codes",
            columns: &[
                Column("appid", Text),
                Column("ticket", Text),
                Column("code", Text),
                Column("action", Text),
                Column("scene", Text),
                Column("created_at", Integer),
                Column("expires_at", OptionalInteger),
            ],
        },
        Table {
            name: "wechat_counts",
            columns: &[
                Column("appid", Text),
                Column("calls_of", Text),
                Column("period", Integer),
                Column("calls", Integer),
            ],
        },
        Table { name: "wechat_followers", columns: &[Column("appid", Text), Column("openid", Text)] },
    ]
};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::{Access, Error, Store};

    #[tokio::test]
    async fn rows_of_an_older_schema_are_taken_along() {
        const ADD: &str = "
            INSERT INTO wechat_tokens VALUES ('10_b', 'a', 'plain', 0, 1, 2, NULL), ('10_a', 'a', 'plain', 1, 3, 4, 5);
            INSERT INTO wechat_codes VALUES ('T1', '02b', 'a', 'x', 's', 1, NULL), ('T2', '02a', 'a', 'y', 't', 2, 3)";
        let folder = tempfile::tempdir().expect("a folder");
        let old = [FIRST, CURRENT_TOKENS, FOLLOWERS];
        let before = Store::open(folder.path(), &old, Access::Alone, Duration::ZERO).await.expect("opened");
        before.run(|connection| Ok::<_, Error>(connection.execute_batch(ADD)?)).await.expect("added");
        let known: Vec<_> = TABLES.iter().filter(|table| table.name != "wechat_token_runs").copied().collect();
        let rows = before.rows(&known, None).await.expect("read");
        assert_eq!((rows["wechat_tokens"].len(), rows["wechat_codes"].len()), (2, 2));
        before.close().await;
        drop(before);
        let store = Store::open(folder.path(), MIGRATIONS, Access::Alone, Duration::ZERO).await.expect("opened");
        let mut now = store.rows(&known, None).await.expect("read");
        // Tokens are in the order of their keys.
        now.get_mut("wechat_tokens").expect("a table").reverse();
        assert_eq!(now, rows);
    }
}
