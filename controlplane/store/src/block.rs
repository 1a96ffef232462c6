//! Rules about callers that the switch makes by itself.

use crate::column::Columns;
use crate::error::Tried;
use crate::{Actor, Change, ConfigRow, StoreError, Writer};
use serde_json::{Value, json};
use strowger_model::{CallerRule, CallerRuleId};

/// Resource of the change log, as REST names it.
const RESOURCE: &str = "caller-rules";

impl Writer<'_> {
    /// Blocks a caller, and says so in the change log. Where somebody has made a rule about the
    /// same calls, or one of ours lasts longer, all stays as it is: `false`. The id of `rule` does
    /// not count.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn block_caller(
        &mut self,
        actor: &Actor,
        rule: &CallerRule,
    ) -> Result<bool, StoreError> {
        let known = self.rule_about(rule).await?;
        let lasts = |known: &CallerRule| match (known.until_us, rule.until_us) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(known), Some(new)) => known >= new,
        };
        let stands = |known: &CallerRule| !known.automatic || known.allow || lasts(known);
        if known.as_ref().is_some_and(stands) {
            return Ok(false);
        }
        let id = match &known {
            Some(known) => known.id,
            None => CallerRuleId(self.next_id::<CallerRule>().await?),
        };
        let row = CallerRule { id, automatic: true, ..rule.clone() };
        if known.is_some() {
            self.update(&row).await?;
        } else {
            self.insert(&row).await?;
        }
        let change = Change {
            tenant: Some(row.tenant),
            organization: None,
            resource: RESOURCE,
            id: Some(row.id.0),
            before: known.as_ref().map(shown),
            after: Some(shown(&row)),
            at_us: rule.from_us,
        };
        self.record_change(actor, &change).await.map(|_| true)
    }

    async fn rule_about(&mut self, rule: &CallerRule) -> Result<Option<CallerRule>, StoreError> {
        // No id is 0.
        let sql = "SELECT * FROM caller_rules WHERE tenant_id = $1 \
             AND COALESCE(account_id, 0) = $2 AND prefix = $3 \
             AND COALESCE(subscriber_id, 0) = $4 AND called = $5";
        let query = sqlx::query(sql)
            .bind(rule.tenant.0)
            .bind(rule.account.map_or(0, |account| account.0))
            .bind(rule.prefix.as_str().to_owned())
            .bind(rule.subscriber.map_or(0, |subscriber| subscriber.0))
            .bind(rule.called.as_str().to_owned());
        let row = query.fetch_optional(&mut *self.tx).await.tried("read a rule about callers")?;
        row.map(|row| CallerRule::read(&Columns::new(CallerRule::TABLE, &row))).transpose()
    }

    /// How many rules about callers the switch has made by itself.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn count_blocked(&mut self) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) AS n FROM caller_rules WHERE automatic <> 0";
        let row = sqlx::query(sql).fetch_one(&mut *self.tx).await;
        let row = row.tried("count the rules about callers")?;
        Columns::new(CallerRule::TABLE, &row).int("n")
    }

    /// Forgets rules that the switch made by itself and that ended before `before_us`; how many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_blocked(
        &mut self,
        actor: &Actor,
        before_us: i64,
        now_us: i64,
    ) -> Result<u64, StoreError> {
        let sql = "DELETE FROM caller_rules WHERE automatic <> 0 AND until_us < $1";
        let done = sqlx::query(sql).bind(before_us).execute(&mut *self.tx).await;
        let gone = done.tried("forget rules about callers")?.rows_affected();
        if gone > 0 {
            let change = Change {
                tenant: None,
                organization: None,
                resource: RESOURCE,
                id: None,
                before: None,
                after: Some(json!({"forgotten": gone})),
                at_us: now_us,
            };
            self.record_change(actor, &change).await?;
        }
        Ok(gone)
    }
}

fn shown(rule: &CallerRule) -> Value {
    json!({
        "account": rule.account.map(|account| account.0.to_string()),
        "prefix": rule.prefix.as_str(), "called": rule.called.as_str(), "reason": rule.reason,
        "automatic": rule.automatic,
    })
}
