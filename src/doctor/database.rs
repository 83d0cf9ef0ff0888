//! Postgres: whether it is there, up to date, takes writes, and hands out sessions.

use chrono::TimeDelta;
use secrecy::SecretString;

use super::{Chart, Name, Place, Problem, clocks};
use crate::{
    clock::Clock,
    db::{Connection, QueryError, inspect, migrate},
};

type Found<T> = Result<(T, String), Problem>;

pub(super) async fn examine(chart: &mut Chart<'_>, place: &Place<'_>, clock: &Clock) {
    let reached = chart.look(Name::DatabaseReachable, reach(place)).await;
    let (Some((mut conn, facts)), Place::Urls { url, direct_url }) = (reached, place) else {
        for name in [
            Name::DatabaseMigrated,
            Name::DatabaseWritable,
            Name::DatabaseDirect,
            Name::DatabaseClock,
        ] {
            chart.needs(name, None, Name::DatabaseReachable);
        }
        return;
    };
    let migrated = chart.look(Name::DatabaseMigrated, migrated(&mut conn));
    migrated.await;
    chart
        .look(Name::DatabaseWritable, writable(&mut conn, &facts))
        .await;
    chart
        .look(Name::DatabaseDirect, direct(&mut conn, url, *direct_url))
        .await;
    chart
        .look(Name::DatabaseClock, its_clock(&mut conn, clock))
        .await;
}

async fn reach(place: &Place<'_>) -> Found<(Connection, inspect::Facts)> {
    let url = match place {
        Place::Urls { url, .. } => url,
        Place::Nowhere(why) => {
            let fix =
                "see data_dir/postgres/postgres.log, or set database.url to a server of your own";
            return Err(Problem::new("database_embedded", why.as_str(), fix));
        }
    };
    let mut conn = connect(url, "database.url").await?;
    let facts = inspect::facts(&mut conn).await.map_err(|e| broken(&e))?;
    let seen = format!(
        "Postgres {}, database {}, as {}",
        facts.version, facts.name, facts.role
    );
    Ok(((conn, facts), seen))
}

async fn connect(url: &SecretString, key: &str) -> Result<Connection, Problem> {
    inspect::connect(url)
        .await
        .map_err(|why| refused(&why, key))
}

/// Postgres' own words decide, as far as it said any.
fn refused(why: &str, key: &str) -> Problem {
    let cause = format!("no connection to {key}: {why}");
    let (code, fix) = if why.contains("authentication failed") || why.contains("pg_hba") {
        let fix = format!(
            "{key} has to name a role of the server's, with its password; as a superuser:\n\
             ALTER ROLE <role> PASSWORD '...';"
        );
        ("database_denied", fix)
    } else if why.contains("does not exist") {
        let fix = "make it, as a superuser:\n\
                   CREATE ROLE tributary LOGIN PASSWORD '...';\n\
                   CREATE DATABASE tributary OWNER tributary;";
        ("database_missing", fix.to_owned())
    } else {
        let fix = format!(
            "start Postgres, and see that {key} names the host and the port where it listens\n\
             (listen_addresses and port of its postgresql.conf) as this machine reaches it"
        );
        ("database_unreachable", fix)
    };
    Problem::new(code, cause, fix)
}

fn broken(error: &QueryError) -> Problem {
    Problem::new(
        "database_failed",
        format!("a statement failed: {error}"),
        "see the log of Postgres, then run doctor again",
    )
}

async fn migrated(conn: &mut Connection) -> Found<()> {
    let standing = migrate::standing(conn).await;
    let standing = standing.map_err(|error| {
        let cause = format!("a statement failed: {error}");
        Problem::new("database_failed", cause, "see the log of Postgres")
    })?;
    judge(&standing)
}

fn judge(standing: &migrate::Standing) -> Found<()> {
    let pending = standing.pending.len();
    if let (Some(first), Some(last)) = (standing.pending.first(), standing.pending.last()) {
        let ones = if pending == 1 {
            "migration is"
        } else {
            "migrations are"
        };
        return Err(Problem::new(
            "database_unmigrated",
            format!("{pending} {ones} pending, {first} to {last}"),
            "run `tributary migrate`, or start Tributary, which does it first",
        ));
    }
    if let Some(last) = standing.unknown.last() {
        return Err(Problem::new(
            "database_newer",
            format!("a newer Tributary has migrated it (to {last})"),
            "run that version here too",
        ));
    }
    Ok(((), "on the newest schema".to_owned()))
}

async fn writable(conn: &mut Connection, facts: &inspect::Facts) -> Found<()> {
    if let Some(problem) = read_only(facts) {
        return Err(problem);
    }
    if !facts.has_schema {
        return Ok(((), "the schema can be made".to_owned()));
    }
    let closed = inspect::closed_tables(conn).await.map_err(|e| broken(&e))?;
    if let Some(first) = closed.first() {
        let (count, role) = (closed.len(), &facts.role);
        return Err(Problem::new(
            "database_denied",
            format!("the role {role} cannot use {count} tables, such as tributary.{first}"),
            format!(
                "connect as the role that has migrated the database, or make this one the owner\n\
                 (ALTER SCHEMA tributary OWNER TO {role}; and the same for its tables)"
            ),
        ));
    }
    match inspect::try_to_write(conn).await {
        Ok(()) => Ok(((), "a row was written, and taken back".to_owned())),
        Err(error) => Err(Problem::new(
            "database_read_only",
            format!("a row cannot be written: {error}"),
            "see the log of Postgres: its disk may be full",
        )),
    }
}

fn read_only(facts: &inspect::Facts) -> Option<Problem> {
    let (role, name) = (&facts.role, &facts.name);
    if facts.is_replica {
        Some(Problem::new(
            "database_replica",
            "it is a replica, which only reads",
            "database.url has to name the primary server",
        ))
    } else if facts.is_read_only {
        Some(Problem::new(
            "database_read_only",
            format!("transactions of {role} are read-only (default_transaction_read_only)"),
            format!(
                "as a superuser:\n\
                 ALTER ROLE {role} RESET default_transaction_read_only;\n\
                 ALTER DATABASE {name} RESET default_transaction_read_only;"
            ),
        ))
    } else if !facts.has_schema && !facts.may_create {
        Some(Problem::new(
            "database_denied",
            format!("{role} may not make the schema tributary in {name}"),
            format!("as a superuser: GRANT CREATE ON DATABASE {name} TO {role};"),
        ))
    } else {
        None
    }
}

async fn direct(
    conn: &mut Connection,
    url: &SecretString,
    direct_url: Option<&SecretString>,
) -> Found<()> {
    let pooled = is_pooled(url, "database.url").await?;
    let Some(direct_url) = direct_url else {
        return if pooled {
            Err(Problem::new(
                "direct_url_missing",
                "database.url leads through a pooler in transaction mode: LISTEN and migrations need a session",
                "set database.direct_url to the same database around the pooler\n\
                 (PgBouncer: the server it pools; Supabase: port 5432 in place of 6543)",
            ))
        } else {
            Ok(((), "sessions are one's own".to_owned()))
        };
    };
    if is_pooled(direct_url, "database.direct_url").await? {
        return Err(Problem::new(
            "direct_url_pooled",
            "database.direct_url leads through a pooler in transaction mode",
            "set it to the server itself, or to a pool in session mode",
        ));
    }
    let mut other = connect(direct_url, "database.direct_url").await?;
    let places = async {
        let one = inspect::place(conn).await?;
        Ok::<_, QueryError>((one, inspect::place(&mut other).await?))
    };
    let (one, another) = places.await.map_err(|e| broken(&e))?;
    if one != another {
        return Err(Problem::new(
            "direct_url_elsewhere",
            "database.url and database.direct_url lead to different databases",
            "both have to name the same server and database, one of them through the pooler",
        ));
    }
    let seen = if pooled {
        "direct_url leads around the pooler, to the same database"
    } else {
        "direct_url leads to the same database; there is no pooler, so it could go"
    };
    Ok(((), seen.to_owned()))
}

async fn is_pooled(url: &SecretString, key: &str) -> Result<bool, Problem> {
    let own = inspect::has_own_sessions(url).await;
    own.map(|own| !own).map_err(|why| refused(&why, key))
}

async fn its_clock(conn: &mut Connection, clock: &Clock) -> Found<()> {
    let before = clock.now();
    let told = inspect::time(conn).await.map_err(|e| broken(&e))?;
    clocks::compare("Postgres", told, (before, clock.now()), TimeDelta::zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_says_decides_what_to_do() {
        for (said, code) in [
            ("connection refused", "database_unreachable"),
            ("no answer in time", "database_unreachable"),
            (
                "FATAL: password authentication failed for user \"x\"",
                "database_denied",
            ),
            ("FATAL: no pg_hba.conf entry for host", "database_denied"),
            ("FATAL: database \"x\" does not exist", "database_missing"),
        ] {
            assert_eq!(refused(said, "database.url").code, code, "{said}");
        }
    }

    #[test]
    fn what_only_reads_is_told_apart() {
        let facts = inspect::Facts {
            version: "15.1".to_owned(),
            name: "chats".to_owned(),
            role: "app".to_owned(),
            is_replica: false,
            is_read_only: false,
            may_create: true,
            has_schema: false,
        };
        let with = |change: fn(&mut inspect::Facts)| {
            let mut facts = facts.clone();
            change(&mut facts);
            read_only(&facts).map(|problem| problem.code)
        };
        assert_eq!(with(|_| {}), None);
        assert_eq!(with(|f| f.is_replica = true), Some("database_replica"));
        assert_eq!(with(|f| f.is_read_only = true), Some("database_read_only"));
        assert_eq!(with(|f| f.may_create = false), Some("database_denied"));
        let migrated = |f: &mut inspect::Facts| (f.may_create, f.has_schema) = (false, true);
        assert_eq!(with(migrated), None);
    }
}
