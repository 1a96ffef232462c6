//! Name servers: questions of RFC 3263 over the network, by `hickory-resolver`.
//!
//! The host's own servers (`/etc/resolv.conf`) and its `/etc/hosts`, or the servers that the
//! configuration names. Nothing is remembered here: who asks knows how long an answer is good.

use crate::resolver::{Lookup, Resolve, Said};
use hickory_resolver::ResolverBuilder;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::SocketAddr;
use strowger_locate::{Naptr, Question, RECORDS_MAX, Records, Srv};
use tokio::time::Instant;
use tracing::warn;

/// How long that there is nothing is good, when the name server does not say, seconds.
const NOTHING_S: u32 = 5;

/// Name servers.
#[derive(Clone)]
pub(crate) struct NameServers {
    /// `None` when there are none: every question fails.
    servers: Option<TokioResolver>,
}

impl NameServers {
    /// These servers, or those of the host.
    pub(crate) fn new(servers: &[SocketAddr]) -> NameServers {
        let builder = match servers.is_empty() {
            true => TokioResolver::builder_tokio(),
            false => Ok(named(servers)),
        };
        let built = builder.and_then(|mut builder| {
            set(builder.options_mut());
            builder.build()
        });
        let servers = built.inspect_err(|e| warn!("no name server can be asked: {e}")).ok();
        NameServers { servers }
    }
}

fn named(servers: &[SocketAddr]) -> ResolverBuilder<TokioRuntimeProvider> {
    let server = |at: &SocketAddr| {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        connections.iter_mut().for_each(|connection| connection.port = at.port());
        NameServerConfig::new(at.ip(), true, connections)
    };
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

fn set(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Always;
}

impl Resolve for NameServers {
    fn ask(&self, question: &Question) -> Lookup {
        let (servers, question) = (self.servers.clone(), question.clone());
        Box::pin(async move {
            let servers = servers.ok_or_else(|| "there is no name server".to_owned())?;
            match question {
                Question::Naptr(name) => naptr(&servers, &name).await,
                Question::Srv(name) => srv(&servers, &name).await,
                Question::Address(name) => addresses(&servers, &name).await,
            }
        })
    }
}

async fn naptr(servers: &TokioResolver, name: &str) -> Said {
    let (data, ttl_s) = records(servers, name, RecordType::NAPTR).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let record = |data: &RData| {
        let RData::NAPTR(naptr) = data else { return None };
        Some(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: naptr.replacement.to_ascii(),
        })
    };
    Ok((Records::Naptr(data.iter().filter_map(record).collect()), ttl_s))
}

async fn srv(servers: &TokioResolver, name: &str) -> Said {
    let (data, ttl_s) = records(servers, name, RecordType::SRV).await?;
    let record = |data: &RData| {
        let RData::SRV(srv) = data else { return None };
        Some(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        })
    };
    Ok((Records::Srv(data.iter().filter_map(record).collect()), ttl_s))
}

/// Addresses of both families, IPv4 first.
async fn addresses(servers: &TokioResolver, name: &str) -> Said {
    let (v4, v6) = tokio::join!(
        records(servers, name, RecordType::A),
        records(servers, name, RecordType::AAAA)
    );
    // One family that fails does not take the other away.
    let (mut data, ttl_s) = match (v4, v6) {
        (Ok((mut data, v4_s)), Ok((more, v6_s))) => {
            // That one family has nothing says little of the other's time.
            let ttl_s = match (data.is_empty(), more.is_empty()) {
                (false, true) => v4_s,
                (true, false) => v6_s,
                (true, true) | (false, false) => v4_s.min(v6_s),
            };
            data.extend(more);
            (data, ttl_s)
        }
        (Ok(known), Err(e)) | (Err(e), Ok(known)) if known.0.is_empty() => return Err(e),
        (Ok(known), Err(_)) | (Err(_), Ok(known)) => known,
        (Err(e), Err(_)) => return Err(e),
    };
    data.truncate(RECORDS_MAX);
    let address = |data: &RData| data.ip_addr();
    Ok((Records::Address(data.iter().filter_map(address).collect()), ttl_s))
}

/// Records of a name, and how long they, or that there are none, are good.
async fn records(
    servers: &TokioResolver,
    name: &str,
    kind: RecordType,
) -> Result<(Vec<RData>, u32), String> {
    let mut name = Name::from_ascii(name).map_err(|e| e.to_string())?;
    // A name in a row is whole, whatever domain this host is in.
    name.set_fqdn(true);
    match servers.lookup(name, kind).await {
        Ok(found) => {
            let left = found.valid_until().saturating_duration_since(Instant::now().into_std());
            // Rounded up: a part of a second is gone since the answer came.
            let ttl_s = u32::try_from(left.as_secs().saturating_add(1)).unwrap_or(u32::MAX);
            let of_kind = found.answers().iter().filter(|record| record.record_type() == kind);
            Ok((of_kind.take(RECORDS_MAX).map(|record| record.data.clone()).collect(), ttl_s))
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
            Ok((Vec::new(), nothing.negative_ttl.unwrap_or(NOTHING_S)))
        }
        Err(e) => Err(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_knows_this_host() {
        let question = Question::Address("localhost".into());
        let (records, ttl_s) = NameServers::new(&[]).ask(&question).await.unwrap();
        let Records::Address(found) = records else { panic!("{records:?}") };
        assert!(found.iter().all(std::net::IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
        assert!(ttl_s > 0);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_a_failure() {
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let servers = NameServers::new(&[nobody]);
        let said = servers.ask(&Question::Srv("_sip._udp.carrier.test".into())).await;
        assert!(said.is_err(), "{said:?}");
    }
}
