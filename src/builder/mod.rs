//! The ways in: from a DSN, from a builder, from the environment.

mod env;
mod error;
mod names;
mod setters;
mod target;

use std::{fmt, hash::RandomState, sync::Arc, time::Duration};

use http::{HeaderName, header};

use crate::{
    channel::Channel,
    decode::{self, Decode},
    identity::{
        AGENT, CONSENT_HEADERS, DEFAULT_HINT_NAMES, DEFAULT_SESSION_NAMES, DEFAULT_USER_NAMES,
        IdentityRules, ORIGINATOR, PARENT_AGENT,
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
    names::{Names, SESSION_NAMES, header_name},
    target::{Replica, Target, open},
};

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
    span_content: bool,
    redact: Arc<dyn Redact>,
    own: Vec<Arc<dyn Decode>>,
    also_record: Option<Box<AlsoRecord>>,
    client_ip: Option<Box<ClientIp>>,
    trusted_proxies: usize,
    session_header: String,
    session_names: Vec<String>,
    user_names: Vec<String>,
    hint_names: Vec<String>,
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
            span_content: false,
            redact: Arc::new(Patterns::default()),
            own: Vec::new(),
            also_record: None,
            client_ip: None,
            trusted_proxies: 0,
            session_header: DEFAULT_SESSION_HEADER.to_owned(),
            session_names: DEFAULT_SESSION_NAMES.map(String::from).into(),
            user_names: [USER_HEADER]
                .into_iter()
                .chain(DEFAULT_USER_NAMES)
                .map(String::from)
                .collect(),
            hint_names: DEFAULT_HINT_NAMES.map(String::from).into(),
            opt_out: true,
            only_with_session: false,
            tag_prefix: DEFAULT_TAG_PREFIX.to_owned(),
            exchange_id_header: None,
        }
    }
}

impl RecordingLayerBuilder {
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
        if !self.own.iter().all(|own| decode::fits(own.provider())) {
            return Err(BuildError::Setting {
                setting: "decode",
                expected: "a dialect whose provider has at most 255 bytes and neither U+0000 nor U+241B",
            });
        }
        let (store, discards) = open(self.target, self.replica, &self.store_options)?;
        let session = [self.session_header].into_iter().chain(self.session_names);
        let session = Names::read(SESSION_NAMES, session)?;
        let user = Names::read("user_names", self.user_names)?;
        let hint = Names::read("hint_names", self.hint_names)?;
        let mut listed = vec![
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            HeaderName::from_static("traceparent"),
        ];
        let named = [&session.headers, &user.headers, &hint.headers];
        listed.extend(named.into_iter().flatten().cloned());
        listed.extend([AGENT, PARENT_AGENT, ORIGINATOR].map(HeaderName::from_static));
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
            own: self.own.clone(),
            identity: IdentityRules {
                session_names: session.names,
                user_names: user.names,
                hint_names: hint.names,
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
                span_content: self.span_content,
                max_request_bytes: self.max_request_bytes,
                max_response_bytes: self.max_response_bytes,
            },
        };
        let rules = Rules {
            max_request_bytes: self.max_request_bytes,
            max_response_bytes: self.max_response_bytes,
            allow_list: AllowList::new(listed, &tag_prefix),
            own: self.own,
            also_record: self.also_record,
            client_ip: self.client_ip,
            session_header,
            session_headers: session.headers,
            user_headers: user.headers,
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

impl fmt::Debug for RecordingLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingLayerBuilder")
            .finish_non_exhaustive()
    }
}
