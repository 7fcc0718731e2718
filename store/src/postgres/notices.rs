//! Notices at a server. Gateways write their own; who reads sees those of all.

use super::Postgres;
use super::change::limited;
use super::schema::{text, text_back};
use crate::StoreError;
use crate::backend::to_signed;

/// What a restore writes as well.
pub(super) const PUT_ALL: &str =
    "INSERT INTO notices (id, at_ms, body) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])";
const PUT: &str = "INSERT INTO notices (id, at_ms, body) VALUES ($1, $2, $3)
    ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, body = excluded.body";
const TRIM: &str = "DELETE FROM notices WHERE id NOT IN
    (SELECT id FROM notices ORDER BY at_ms DESC, id DESC LIMIT $1)";
const NEWEST: &str = "SELECT body FROM notices ORDER BY at_ms DESC, id DESC LIMIT $1";

impl Postgres {
    /// See [`crate::Store::put_notice`].
    pub(crate) async fn put_notice(
        &self,
        id: u64,
        at_ms: u64,
        body: String,
        kept_max: u32,
    ) -> Result<(), StoreError> {
        let body = text(&body).into_owned();
        limited!(self, lease, {
            lease.begin("BEGIN").await?;
            lease.execute(PUT, &[&id.cast_signed(), &to_signed(at_ms), &body]).await?;
            lease.execute(TRIM, &[&i64::from(kept_max)]).await?;
            lease.commit().await
        })
    }

    /// See [`crate::Store::notices`].
    pub(crate) async fn notices(&self, max: u32) -> Result<Vec<String>, StoreError> {
        limited!(self, lease, {
            let rows = lease.query(NEWEST, &[&i64::from(max)]).await?;
            Ok(rows.iter().map(|row| text_back(row.get(0))).collect())
        })
    }
}
