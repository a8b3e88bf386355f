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

pub(super) const MIGRATIONS: &[Migration] = &[FIRST, CURRENT_TOKENS, FOLLOWERS, PLACES];

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

/// How far a character of a key is ahead of the one three places on, of 64; [`rows::place`] is made of three such.
macro_rules! digit {
    ($key:literal, $at:literal, $drawn:literal) => {
        concat!(
            "(instr(",
            alphabet!(),
            ", substr(",
            $key,
            ", ",
            $at,
            ", 1)) + 64 - ",
            "instr(",
            alphabet!(),
            ", substr(",
            $key,
            ", ",
            $drawn,
            ", 1))) % 64"
        )
    };
}

/// That of codes and tokens, as a text in SQL.
macro_rules! alphabet {
    () => {
        "'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'"
    };
}

/// Rows that are added together lie beside each other, see [`rows`]. A ticket has its code within it.
const PLACES: Migration = Migration {
    version: 2_026_112_735,
    about: "WeChat tokens and codes by place",
    sql: concat!(
        "
        CREATE TABLE placed_tokens (
            token TEXT NOT NULL,
            place INTEGER NOT NULL AS ((",
        digit!("token", "4", "7"),
        ") * 4096
                + (",
        digit!("token", "5", "8"),
        ") * 64 + ",
        digit!("token", "6", "9"),
        "),
            appid TEXT NOT NULL,
            kind TEXT NOT NULL,
            forced BOOLEAN NOT NULL,
            issued_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            superseded_at BIGINT,
            UNIQUE (place, token)
        );
        INSERT INTO placed_tokens SELECT * FROM wechat_tokens ORDER BY rowid;
        DROP TABLE wechat_tokens;
        ALTER TABLE placed_tokens RENAME TO wechat_tokens;
        CREATE INDEX wechat_tokens_current ON wechat_tokens (appid, kind, expires_at) WHERE superseded_at IS NULL;
        CREATE INDEX wechat_tokens_by_end ON wechat_tokens (expires_at);
        CREATE TABLE placed_codes (
            ticket TEXT NOT NULL,
            code TEXT NOT NULL,
            place INTEGER NOT NULL AS ((",
        digit!("code", "3", "6"),
        ") * 4096
                + (",
        digit!("code", "4", "7"),
        ") * 64 + ",
        digit!("code", "5", "8"),
        "),
            appid TEXT NOT NULL,
            action TEXT NOT NULL,
            scene TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT,
            UNIQUE (place, code)
        );
        INSERT INTO placed_codes SELECT * FROM wechat_codes ORDER BY rowid;
        DROP TABLE wechat_codes;
        ALTER TABLE placed_codes RENAME TO wechat_codes;
        CREATE UNIQUE INDEX wechat_codes_permanent ON wechat_codes (appid, action, scene) WHERE expires_at IS NULL;
        CREATE INDEX wechat_codes_by_end ON wechat_codes (expires_at);
        "
    ),
};

/// What requests have left. An account owns its rows by its AppID.
pub(super) const TABLES: &[Table] = {
    use Kind::{Integer, OptionalInteger, Text};
    &[
        Table { name: "wechat_accounts", columns: &[Column("appid", Text), Column("permanent_codes", Integer)] },
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
    use std::sync::Arc;

    use super::rows::place;
    use super::*;
    use crate::clock::Ids;
    use crate::providers::wechat::ticket::{URL_SAFE, draw_code};
    use crate::store::{Access, Error, Store};

    #[tokio::test]
    async fn the_schema_and_the_program_agree_on_places_also_of_rows_from_before() {
        const ADD: &str = "
            INSERT INTO wechat_tokens (token, appid, kind, forced, issued_at, expires_at) VALUES (?1, 'a', 'plain', 0, 1, 2);
            INSERT INTO wechat_codes (ticket, code, appid, action, scene, created_at) VALUES (?2, ?2, 'a', 'x', ?2, 1)";
        let ids = Ids::seeded(9);
        let keys: Vec<_> =
            (0..200).map(|_| (format!("10_{}", ids.text(134, URL_SAFE)), draw_code(&ids, true))).collect();
        let keys = Arc::new(keys);
        let folder = tempfile::tempdir().expect("a folder");
        let add = |range: std::ops::Range<usize>| {
            let keys = Arc::clone(&keys);
            move |connection: &mut rusqlite::Connection| -> Result<(), Error> {
                let (tokens, codes) = ADD.split_once(';').expect("two statements");
                for (token, code) in &keys[range] {
                    connection.execute(tokens, [token])?;
                    connection.execute(&codes.replace("?2", "?1"), [code])?;
                }
                Ok(())
            }
        };
        let before =
            Store::open(folder.path(), &[FIRST, CURRENT_TOKENS, FOLLOWERS], Access::Alone).await.expect("opened");
        before.run(add(0..100)).await.expect("added");
        before.close().await;
        drop(before);
        let store = Store::open(folder.path(), MIGRATIONS, Access::Alone).await.expect("opened");
        store.run(add(100..200)).await.expect("added");
        let found = store.run(|connection| -> Result<Vec<(String, u32)>, Error> {
            let all = "SELECT token, place FROM wechat_tokens UNION ALL SELECT code, place FROM wechat_codes";
            let mut query = connection.prepare(all)?;
            Ok(query.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        });
        let found = found.await.expect("read");
        assert_eq!(found.len(), 400);
        for (key, found) in found {
            let at = if key.len() == 22 { codes::PLACE } else { tokens::PLACE };
            assert_eq!(found, place(&key, at), "{key}");
        }
    }
}
