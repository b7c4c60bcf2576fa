//! The ways in: from a DSN, from a builder, from the environment.

mod env;
mod error;
mod target;

use std::{fmt, hash::RandomState, net::IpAddr, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, HeaderName, Method, header};

use crate::{
    channel::Channel,
    identity::{
        AGENT, CONSENT_HEADERS, DEFAULT_SESSION_HEADERS, DEFAULT_USER_HEADERS, IdentityRules,
        PARENT_AGENT,
    },
    layer::RecordingLayer,
    prefix::{AllowList, FORWARDED},
    recorder::Recorder,
    redact::{Patterns, Redact},
    rules::{AlsoRecord, ClientIp, Rules},
    settings::{
        DEFAULT_BATCH_ROWS, DEFAULT_BUDGET_BYTES, DEFAULT_FLUSH_INTERVAL, DEFAULT_INFER_WITHIN,
        DEFAULT_MAX_REQUEST_BYTES, DEFAULT_MAX_RESPONSE_BYTES, DEFAULT_QUEUE_EXCHANGES,
        DEFAULT_SESSION_HEADER, DEFAULT_TAG_PREFIX, DEFAULT_WRITER_THREADS, WriterSettings,
    },
    store::{Store, StoreOptions},
    writer::Workshop,
};

pub use self::error::BuildError;
use self::{
    error::Report,
    target::{Replica, Target, open},
};

const LONGEST_FLUSH_INTERVAL: Duration = Duration::from_secs(3600);
/// The header that names the user.
const USER_HEADER: &str = "x-user-id";

impl RecordingLayer {
    /// Records into the database with this DSN, with the default settings.
    ///
    /// It connects and migrates in the background, inside or outside of a tokio runtime; requests
    /// flow and queue meanwhile.
    ///
    /// # Panics
    /// Where the DSN is malformed, or its database's feature is off. The message says what is
    /// wrong and never shows the password. [`try_new`](Self::try_new) returns the error instead.
    #[track_caller]
    pub fn new(dsn: impl Into<String>) -> Self {
        match Self::try_new(dsn) {
            Ok(layer) => layer,
            Err(error) => panic!("{}", Report(&error)),
        }
    }

    /// As [`new`](Self::new), without the panic.
    ///
    /// # Errors
    /// Where the DSN is malformed, its database's feature is off, or no thread is to be had.
    pub fn try_new(dsn: impl Into<String>) -> Result<Self, BuildError> {
        Self::builder(dsn).build()
    }

    /// Settings for a layer that records into the database with this DSN.
    pub fn builder(dsn: impl Into<String>) -> RecordingLayerBuilder {
        RecordingLayerBuilder::new(Target::Dsn(dsn.into()))
    }

    /// Settings for a layer that records into a store of your own.
    pub fn with_store(store: Arc<dyn Store>) -> RecordingLayerBuilder {
        RecordingLayerBuilder::new(Target::Store(store))
    }
}

/// Headers that carry credentials: no tag may be one of them.
const CREDENTIALS: [&str; 12] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "x-auth-token",
    "x-access-token",
    "x-amz-security-token",
    "x-csrf-token",
    "x-forwarded-access-token",
];

/// Settings for a [`RecordingLayer`], each with a default.
#[must_use]
pub struct RecordingLayerBuilder {
    target: Target,
    replica: Option<Result<Replica, BuildError>>,
    store_options: StoreOptions,
    max_request_bytes: usize,
    max_response_bytes: usize,
    budget_bytes: usize,
    queue_exchanges: usize,
    batch_rows: usize,
    flush_interval: Duration,
    infer_within: Duration,
    writer_threads: usize,
    keep_media: bool,
    redact: Arc<dyn Redact>,
    also_record: Option<Box<AlsoRecord>>,
    client_ip: Option<Box<ClientIp>>,
    trusted_proxies: usize,
    session_header: String,
    session_headers: Vec<String>,
    user_headers: Vec<String>,
    opt_out: bool,
    only_with_session: bool,
    tag_prefix: String,
    exchange_id_header: Option<String>,
}

impl RecordingLayerBuilder {
    fn new(target: Target) -> Self {
        Self {
            target,
            replica: None,
            store_options: StoreOptions::default(),
            max_request_bytes: DEFAULT_MAX_REQUEST_BYTES,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
            budget_bytes: DEFAULT_BUDGET_BYTES,
            queue_exchanges: DEFAULT_QUEUE_EXCHANGES,
            batch_rows: DEFAULT_BATCH_ROWS,
            flush_interval: DEFAULT_FLUSH_INTERVAL,
            infer_within: DEFAULT_INFER_WITHIN,
            writer_threads: DEFAULT_WRITER_THREADS,
            keep_media: false,
            redact: Arc::new(Patterns::default()),
            also_record: None,
            client_ip: None,
            trusted_proxies: 0,
            session_header: DEFAULT_SESSION_HEADER.to_owned(),
            session_headers: DEFAULT_SESSION_HEADERS.map(String::from).into(),
            user_headers: [USER_HEADER]
                .into_iter()
                .chain(DEFAULT_USER_HEADERS)
                .map(String::from)
                .collect(),
            opt_out: true,
            only_with_session: false,
            tag_prefix: DEFAULT_TAG_PREFIX.to_owned(),
            exchange_id_header: None,
        }
    }

    /// The largest part of a request's body that is captured, in bytes
    /// ([`DEFAULT_MAX_REQUEST_BYTES`]). The traffic is never cut.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// The largest part of a response's body that is captured, in bytes
    /// ([`DEFAULT_MAX_RESPONSE_BYTES`]). The traffic is never cut.
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// The budget for everything captured, in bytes ([`DEFAULT_BUDGET_BYTES`]): bodies in flight
    /// may take half of it, their paths and headers a sixteenth more, decoding the rest.
    ///
    /// Each writer has its part of what is left for decoding: an eighth of the budget to expand a
    /// compressed body, and five sixteenths to parse an exchange, where text counts twice and every
    /// object some 700 bytes. A body that needs more is kept as it came, up to 64 KiB, and counted in
    /// [`truncated_budget`](crate::Metrics::truncated_budget). So with the default and one writer a
    /// request of 32 MiB is read.
    pub fn budget_bytes(mut self, bytes: usize) -> Self {
        self.budget_bytes = bytes;
        self
    }

    /// How many exchanges may wait for a writer ([`DEFAULT_QUEUE_EXCHANGES`]). More are dropped, counted.
    pub fn queue_exchanges(mut self, exchanges: usize) -> Self {
        self.queue_exchanges = exchanges;
        self
    }

    /// Rows that make a batch ([`DEFAULT_BATCH_ROWS`]).
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows;
        self
    }

    /// How long an exchange may wait for its batch to fill ([`DEFAULT_FLUSH_INTERVAL`]), at most an
    /// hour.
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = interval.min(LONGEST_FLUSH_INTERVAL);
        self
    }

    /// How long after its last answer a conversation without an id is found by its history
    /// ([`DEFAULT_INFER_WITHIN`](crate::DEFAULT_INFER_WITHIN)); zero: never.
    pub fn infer_within(mut self, time: Duration) -> Self {
        self.infer_within = time;
        self
    }

    /// Threads that decode and write ([`DEFAULT_WRITER_THREADS`]). They share out the part of the
    /// budget that decoding has, so more of them read smaller bodies.
    pub fn writer_threads(mut self, threads: usize) -> Self {
        self.writer_threads = threads;
        self
    }

    /// Keeps base64 payloads (images, audio, files) instead of a stub with media type, size and SHA-256.
    pub fn keep_media(mut self, keep: bool) -> Self {
        self.keep_media = keep;
        self
    }

    /// Takes out of what is recorded what must not be stored, in place of
    /// [`Patterns::default`], which takes out credentials; [`Patterns::none`] takes out nothing.
    pub fn redact(mut self, redact: impl Redact) -> Self {
        self.redact = Arc::new(redact);
        self
    }

    /// Records further requests, by method and path: a tonic service, say. What nothing can
    /// decode is kept as it came, up to 64 KiB a direction.
    pub fn also_record(
        mut self,
        wanted: impl Fn(&Method, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.also_record = Some(Box::new(wanted));
        self
    }

    /// Finds the client's address: in a header that your proxy sets, say. Where it finds none,
    /// [`PeerAddr`](crate::PeerAddr) or axum's `ConnectInfo` says. It is called on the request's
    /// thread.
    pub fn client_ip(
        mut self,
        find: impl Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.client_ip = Some(Box::new(find));
        self
    }

    /// How many proxies before the gateway append to `X-Forwarded-For`; 0, the default: the header
    /// is not believed.
    pub fn trusted_proxies(mut self, proxies: usize) -> Self {
        self.trusted_proxies = proxies;
        self
    }

    /// The header that names the conversation (`X-Session-ID`).
    pub fn session_header(mut self, name: impl Into<String>) -> Self {
        self.session_header = name.into();
        self
    }

    /// The headers that name the conversation where the [`session_header`](Self::session_header) does
    /// not, in order ([`DEFAULT_SESSION_HEADERS`](crate::DEFAULT_SESSION_HEADERS)). `x-*-session-id`
    /// stands for every header of that form, `baggage` for its members `session.id`,
    /// `langfuse.session.id` and `gen_ai.conversation.id`.
    pub fn session_headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.session_headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// The headers that name the user where the application does not, in order: `X-User-ID`, then
    /// [`DEFAULT_USER_HEADERS`](crate::DEFAULT_USER_HEADERS).
    pub fn user_headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.user_headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Whether clients may opt out of being recorded, by the headers of Helicone, Cloudflare and
    /// LiteLLM (`true`).
    pub fn opt_out(mut self, may: bool) -> Self {
        self.opt_out = may;
        self
    }

    /// Records only requests that carry the session header.
    pub fn only_with_session(mut self, only: bool) -> Self {
        self.only_with_session = only;
        self
    }

    /// Headers that begin like this become tags (`X-Tag-`); empty: none do. At most 32 of a request,
    /// and 2 KiB of them, are kept. A prefix that headers with credentials have is refused.
    pub fn tag_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.tag_prefix = prefix.into();
        self
    }

    /// Answers recorded requests with the id of their exchange in this header.
    pub fn exchange_id_header(mut self, name: impl Into<String>) -> Self {
        self.exchange_id_header = Some(name.into());
        self
    }

    /// Whether each day has tables of its own (`true`). The mode lives in the database: one that
    /// was begun otherwise is followed.
    pub fn daily_partition(mut self, daily: bool) -> Self {
        self.store_options.daily_partition = daily;
        self
    }

    /// The most connections to the database, readers and writers together
    /// ([`DEFAULT_MAX_OPEN_CONNS`](crate::DEFAULT_MAX_OPEN_CONNS)).
    pub fn max_open_conns(mut self, connections: u32) -> Self {
        self.store_options.max_open_conns = connections;
        self
    }

    /// The most connections that are kept while idle
    /// ([`DEFAULT_MAX_IDLE_CONNS`](crate::DEFAULT_MAX_IDLE_CONNS)).
    pub fn max_idle_conns(mut self, connections: u32) -> Self {
        self.store_options.max_idle_conns = connections;
        self
    }

    /// How long a connection may live ([`DEFAULT_MAX_LIFETIME`](crate::DEFAULT_MAX_LIFETIME));
    /// zero: for ever.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.store_options.max_lifetime = (!lifetime.is_zero()).then_some(lifetime);
        self
    }

    /// How many days are kept beside today; off unless set. Older days are dropped, tables and all,
    /// with the conversations that then have nothing left, and what arrives later is dropped,
    /// counted in [`dropped_expired`](crate::Metrics::dropped_expired).
    pub fn retention_days(mut self, days: u32) -> Self {
        self.store_options.retention_days = Some(days);
        self
    }

    /// How many days of `usage_daily`, the sums by user, day and model, are kept; off unless set.
    pub fn usage_retention_days(mut self, days: u32) -> Self {
        self.store_options.usage_retention_days = Some(days);
        self
    }

    /// Starts the recorder and returns its layer. The database is not waited for.
    ///
    /// # Errors
    /// Where the DSN or a setting is no good, or no thread is to be had.
    pub fn build(self) -> Result<RecordingLayer, BuildError> {
        let session_header = header_name("session_header", &self.session_header)?;
        let exchange_id_header = self
            .exchange_id_header
            .map(|name| header_name("exchange_id_header", &name))
            .transpose()?;
        for (setting, value) in [
            ("budget_bytes", self.budget_bytes),
            ("queue_exchanges", self.queue_exchanges),
            ("batch_rows", self.batch_rows),
            ("writer_threads", self.writer_threads),
        ] {
            if value == 0 {
                return Err(BuildError::Setting {
                    setting,
                    expected: "a number above 0",
                });
            }
        }
        let (store, discards) = open(self.target, self.replica, &self.store_options)?;
        let session_headers = [self.session_header.as_str()]
            .into_iter()
            .chain(self.session_headers.iter().map(String::as_str))
            .map(|name| header_name("session_headers", name))
            .collect::<Result<Vec<_>, _>>()?;
        let user_headers = self
            .user_headers
            .iter()
            .map(|name| header_name("user_headers", name))
            .collect::<Result<Vec<_>, _>>()?;
        let mut listed = vec![
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            HeaderName::from_static("traceparent"),
        ];
        listed.extend(session_headers.iter().chain(&user_headers).cloned());
        listed.extend([AGENT, PARENT_AGENT].map(HeaderName::from_static));
        if self.opt_out {
            listed.extend(CONSENT_HEADERS.map(HeaderName::from_static));
        }
        if self.trusted_proxies > 0 {
            listed.push(HeaderName::from_static(FORWARDED));
        }
        let tag_prefix = self.tag_prefix.to_ascii_lowercase();
        if !tag_prefix.is_empty() {
            header_name("tag_prefix", &tag_prefix)?;
        }
        if !tag_prefix.is_empty() && CREDENTIALS.iter().any(|name| name.starts_with(&tag_prefix)) {
            return Err(BuildError::Setting {
                setting: "tag_prefix",
                expected: "a prefix that no header with a credential has",
            });
        }
        let workshop = Workshop {
            channel: Arc::new(Channel::new(
                self.writer_threads,
                self.queue_exchanges,
                self.budget_bytes,
            )),
            store: (!discards).then(|| Arc::clone(&store)),
            redact: self.redact,
            identity: IdentityRules {
                session_headers: names(&session_headers),
                user_headers: names(&user_headers),
                opt_out: self.opt_out,
                tag_prefix: tag_prefix.clone(),
                trusted_proxies: self.trusted_proxies,
            },
            settings: WriterSettings {
                batch_rows: self.batch_rows,
                flush_interval: self.flush_interval,
                infer_within: self.infer_within,
                retention_days: self.store_options.retention_days,
                keep_media: self.keep_media,
                max_request_bytes: self.max_request_bytes,
                max_response_bytes: self.max_response_bytes,
            },
        };
        let rules = Rules {
            max_request_bytes: self.max_request_bytes,
            max_response_bytes: self.max_response_bytes,
            allow_list: AllowList::new(listed, &tag_prefix),
            also_record: self.also_record,
            client_ip: self.client_ip,
            session_header,
            session_headers,
            user_headers,
            only_with_session: self.only_with_session,
            exchange_id_header,
            sharded: self.writer_threads > 1,
            hasher: RandomState::new(),
        };
        let recorder = Recorder::start(rules, store, self.writer_threads, workshop)
            .map_err(BuildError::Thread)?;
        Ok(RecordingLayer::from_recorder(recorder))
    }
}

fn names(headers: &[HeaderName]) -> Vec<String> {
    let names = headers.iter().map(|header| header.as_str().to_owned());
    names.collect()
}

fn header_name(setting: &'static str, name: &str) -> Result<HeaderName, BuildError> {
    name.parse().map_err(|_| BuildError::Setting {
        setting,
        expected: "a header's name",
    })
}

impl fmt::Debug for RecordingLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingLayerBuilder")
            .finish_non_exhaustive()
    }
}
