//! Our responses: what differs from one to the other; the rest is copied from the request.

use std::net::SocketAddr;

use strowger_leg::Body;

use super::super::config::Config;
use super::super::output::Bytes;
use crate::build::{self, Reply, ReplyHead, Writer};
use crate::header::Header;
use crate::message::Message;
use crate::status::Status;

/// A response in the making.
#[derive(Clone, Copy)]
pub(in super::super) struct Response<'a> {
    pub(in super::super) status: Status,
    /// In parts; none: the phrase of the code.
    pub(in super::super) phrase: &'a [&'a str],
    /// Our To tag.
    pub(in super::super) tag: Option<&'a [u8]>,
    /// Further fields: name and value.
    pub(in super::super) fields: &'a [(&'a str, &'a [u8])],
    /// Whether it makes or keeps a dialog: Record-Route is copied.
    pub(in super::super) dialog: bool,
    pub(in super::super) body: Option<&'a Body>,
}

impl<'a> Response<'a> {
    pub(in super::super) const fn new(status: u16) -> Response<'a> {
        Response {
            status: Status::of(status),
            phrase: &[],
            tag: None,
            fields: &[],
            dialog: false,
            body: None,
        }
    }

    /// The whole message; `None` when a text would break a line, or when it gets too long.
    pub(super) fn build(
        self,
        config: &Config,
        request: Message<'_>,
        source: SocketAddr,
    ) -> Option<Bytes> {
        let mut out = Vec::with_capacity(self.room());
        let Response { status, phrase, dialog, .. } = self;
        let reply = Reply { status, phrase, to_tag: self.tag_of_to(), source };
        let mut writer = Writer::response(&mut out, request, reply);
        if dialog {
            writer.copy(request, Header::RecordRoute);
        }
        self.finish(config, writer)?;
        Some(out.into())
    }

    /// As [`Response::build`], to the request that `head` was made of.
    pub(super) fn build_on(self, config: &Config, head: &ReplyHead) -> Option<Bytes> {
        let mut out = Vec::with_capacity(self.room());
        let Response { status, phrase, dialog, .. } = self;
        let writer = Writer::reply(&mut out, head, (status, phrase), self.tag_of_to(), dialog);
        self.finish(config, writer)?;
        Some(out.into())
    }

    // RFC 3261 8.2.6.1: a 100 may go without; the tag of the dialog comes with the next one.
    fn tag_of_to(&self) -> Option<&'a [u8]> {
        self.tag.filter(|_| self.status != Status::of(100))
    }

    /// Bytes that most responses of this kind fit in.
    fn room(&self) -> usize {
        512 + self.body.map_or(0, |body| 512 + body.data.len())
    }

    fn finish(self, config: &Config, mut writer: Writer<'_>) -> Option<()> {
        for (name, value) in self.fields {
            writer.named(name.as_bytes(), &[value]);
        }
        writer.field(Header::Server, config.product.as_bytes());
        let body = self.body.map(|body| build::Body {
            content_type: body.content_type.as_bytes(),
            bytes: &body.data,
        });
        writer.finish(body).ok()
    }
}
