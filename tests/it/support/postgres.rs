//! A database of its own for every test, copied from a migrated template.

use diesel_async::{
    AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _,
};
use secrecy::SecretString;
use tokio::sync::OnceCell;
use tributary::db;
use url::Url;

const ADMIN_URL: &str = "TRIBUTARY_TEST_POSTGRES";
/// Any number: two test programs that find no template must not both make it.
const TEMPLATE_LOCK: i64 = 5_209_114_007;

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A database that goes away with this value.
pub(crate) struct TestDatabase {
    name: String,
    /// Where it is.
    pub(crate) url: SecretString,
}

impl TestDatabase {
    /// A migrated and otherwise empty database. The migrations need a test on a
    /// multi-threaded runtime.
    pub(crate) async fn new() -> Self {
        let template = TEMPLATE.get_or_init(template).await;
        let name = format!("tributary_test_{}", tributary::model::new_id().simple());
        admin_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        let url = database_url(&name);
        Self { name, url }
    }

    /// A database with nothing in it.
    pub(crate) async fn bare() -> Self {
        let name = format!("tributary_test_{}", tributary::model::new_id().simple());
        admin_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let url = database_url(&name);
        Self { name, url }
    }

    /// A pool on it.
    pub(crate) fn pool(&self) -> db::Database {
        db::Database::new(&self.url, 10).unwrap()
    }

    /// Takes it away from everybody, as an outage does.
    pub(crate) async fn cut(&self) {
        let name = &self.name;
        admin_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
        admin_execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await;
    }

    /// Ends [`Self::cut`].
    pub(crate) async fn mend(&self) {
        admin_execute(&format!(
            "ALTER DATABASE {} ALLOW_CONNECTIONS true",
            self.name
        ))
        .await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A runtime of its own: the test's is busy running this.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                // Its sessions are given five seconds to end, each time.
                for _ in 0..5 {
                    if admin().await.batch_execute(&drop).await.is_ok() {
                        return true;
                    }
                }
                false
            })
        });
        let dropped = dropped.join().unwrap_or(false);
        assert!(
            dropped || std::thread::panicking(),
            "a test database is left over"
        );
    }
}

/// The template's name carries a hash of the migrations that this program has in it, so that
/// it is made once for each version of them, found again by the next run, and is none that a
/// program from before somebody changed them has made.
async fn template() -> String {
    let name = concat!("tributary_template_", env!("TRIBUTARY_MIGRATIONS")).to_owned();
    let mut conn = admin().await;
    conn.batch_execute(&format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})"))
        .await
        .unwrap();
    let found = diesel::sql_query(format!("SELECT FROM pg_database WHERE datname = '{name}'"))
        .execute(&mut conn)
        .await
        .unwrap();
    if found == 0 {
        // Migrated under another name: one that died half-way is no template.
        let unripe = format!("{name}_unripe");
        let sql = format!("DROP DATABASE IF EXISTS {unripe} WITH (FORCE)");
        conn.batch_execute(&sql).await.unwrap();
        conn.batch_execute(&format!("CREATE DATABASE {unripe}"))
            .await
            .unwrap();
        db::migrate(&database_url(&unripe)).await.unwrap();
        let sql = format!("ALTER DATABASE {unripe} RENAME TO {name}");
        conn.batch_execute(&sql).await.unwrap();
    }
    name
}

fn admin_url() -> Url {
    let url = std::env::var(ADMIN_URL)
        .unwrap_or_else(|_| panic!("{ADMIN_URL} is not set: run the tests with scripts/test"));
    url.parse().expect("TRIBUTARY_TEST_POSTGRES is a URL")
}

fn database_url(name: &str) -> SecretString {
    let mut url = admin_url();
    url.set_path(name);
    SecretString::from(url.to_string())
}

async fn admin() -> AsyncPgConnection {
    AsyncPgConnection::establish(admin_url().as_str())
        .await
        .unwrap()
}

async fn admin_execute(sql: &str) {
    admin().await.batch_execute(sql).await.unwrap();
}
