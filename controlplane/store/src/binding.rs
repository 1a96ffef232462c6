//! Registrations, written behind the registrar's memory.

use crate::column::{Columns, clean, word_of};
use crate::json::TRANSPORTS;
use crate::{Reader, StoreError, Tried, Writer};
use std::net::SocketAddr;
use strowger_model::{Binding, SubscriberId, TrunkId};

impl Reader {
    /// All bindings that end after `now_us`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bindings(&self, now_us: i64) -> Result<Vec<Binding>, StoreError> {
        let sql = "SELECT * FROM bindings WHERE expires_us > $1 ORDER BY subscriber_id, uri";
        let rows = sqlx::query(sql).bind(now_us).fetch_all(&self.pool).await;
        let rows = rows.tried("read the registrations")?;
        let read = |row| {
            let c = Columns::new("bindings", row);
            binding(&c, SubscriberId(c.int("subscriber_id")?))
        };
        rows.iter().map(read).collect()
    }

    /// All bindings of trunks that end after `now_us`, each with its trunk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trunk_bindings(&self, now_us: i64) -> Result<Vec<(TrunkId, Binding)>, StoreError> {
        let sql = "SELECT * FROM trunk_bindings WHERE expires_us > $1 ORDER BY trunk_id, uri";
        let rows = sqlx::query(sql).bind(now_us).fetch_all(&self.pool).await;
        let rows = rows.tried("read the registrations of trunks")?;
        let read = |row| {
            let c = Columns::new("trunk_bindings", row);
            Ok((TrunkId(c.int("trunk_id")?), binding(&c, SubscriberId(0))?))
        };
        rows.iter().map(read).collect()
    }
}

fn binding(c: &Columns<'_>, subscriber: SubscriberId) -> Result<Binding, StoreError> {
    Ok(Binding {
        subscriber,
        uri: c.text("uri")?,
        instance: c.text("instance")?,
        reg_id: c.small("reg_id")?,
        sip_call_id: c.text("sip_call_id")?,
        cseq: c.small("cseq")?,
        q: c.small("q")?,
        user_agent: c.text("user_agent")?,
        path: c.json("path")?,
        listener: c.small("listener")?,
        source: c.parsed::<SocketAddr>("source", "address")?,
        transport: c.word("transport", &TRANSPORTS)?,
        flow: c.int("flow")?.cast_unsigned(),
        nated: c.flag("nated")?,
        refreshed_us: c.int("refreshed_us")?,
        expires_us: c.int("expires_us")?,
    })
}

/// The statement that writes a contact of one kind of holder, if the holder is still there.
macro_rules! put {
    ($table:literal, $id:literal, $holders:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (",
            $id,
            ", uri, instance, reg_id, sip_call_id, cseq, \
             q, user_agent, path, listener, source, transport, flow, refreshed_us, expires_us, \
             nated) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 \
             WHERE EXISTS (SELECT 1 FROM ",
            $holders,
            " WHERE id = $1) \
             ON CONFLICT (",
            $id,
            ", uri) DO UPDATE SET \
             instance = excluded.instance, reg_id = excluded.reg_id, \
             sip_call_id = excluded.sip_call_id, cseq = excluded.cseq, q = excluded.q, \
             user_agent = excluded.user_agent, path = excluded.path, \
             listener = excluded.listener, source = excluded.source, \
             transport = excluded.transport, flow = excluded.flow, \
             refreshed_us = excluded.refreshed_us, expires_us = excluded.expires_us, \
             nated = excluded.nated"
        )
    };
}

impl Writer<'_> {
    /// Writes a binding, new or refreshed. One of a subscriber who is gone meanwhile is left out:
    /// it must not hold up those behind it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_binding(&mut self, b: &Binding) -> Result<(), StoreError> {
        self.put(put!("bindings", "subscriber_id", "subscribers"), b.subscriber.0, b).await
    }

    /// The same of a trunk that registers with us.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_trunk_binding(&mut self, of: TrunkId, b: &Binding) -> Result<(), StoreError> {
        self.put(put!("trunk_bindings", "trunk_id", "trunks"), of.0, b).await
    }

    async fn put(&mut self, sql: &'static str, holder: i64, b: &Binding) -> Result<(), StoreError> {
        let query = sqlx::query(sql)
            .bind(holder)
            .bind(clean(&b.uri).into_owned())
            .bind(clean(&b.instance).into_owned())
            .bind(i64::from(b.reg_id))
            .bind(clean(&b.sip_call_id).into_owned())
            .bind(i64::from(b.cseq))
            .bind(i64::from(b.q))
            .bind(clean(&b.user_agent).into_owned())
            .bind(serde_json::to_string(&b.path).unwrap_or_default())
            .bind(i64::from(b.listener))
            .bind(b.source.to_string())
            .bind(word_of(&TRANSPORTS, b.transport))
            .bind(b.flow.cast_signed())
            .bind(b.refreshed_us)
            .bind(b.expires_us)
            .bind(i64::from(b.nated));
        query.execute(&mut *self.tx).await.tried("write a registration").map(|_| ())
    }

    /// Removes a binding by its contact URI as registered; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_binding(
        &mut self,
        subscriber: SubscriberId,
        uri: &str,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM bindings WHERE subscriber_id = $1 AND uri = $2";
        let query = sqlx::query(sql).bind(subscriber.0).bind(clean(uri).into_owned());
        query.execute(&mut *self.tx).await.tried("remove a registration").map(|_| ())
    }

    /// Removes a trunk's binding by its contact URI as registered; one that is not there is no
    /// error.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_trunk_binding(&mut self, of: TrunkId, uri: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM trunk_bindings WHERE trunk_id = $1 AND uri = $2";
        let query = sqlx::query(sql).bind(of.0).bind(clean(uri).into_owned());
        query.execute(&mut *self.tx).await.tried("remove a registration").map(|_| ())
    }
}
