//! The settings, each by a method of its name.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, Method};

use super::RecordingLayerBuilder;
use crate::{decode::Decode, redact::Redact};

const LONGEST_FLUSH_INTERVAL: Duration = Duration::from_secs(3600);

impl RecordingLayerBuilder {
    /// The largest part of a request's body that is captured, in bytes
    /// ([`DEFAULT_MAX_REQUEST_BYTES`](crate::DEFAULT_MAX_REQUEST_BYTES)). The traffic is never cut.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// The largest part of a response's body that is captured, in bytes
    /// ([`DEFAULT_MAX_RESPONSE_BYTES`](crate::DEFAULT_MAX_RESPONSE_BYTES)). The traffic is never cut.
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// The budget for everything captured, in bytes ([`DEFAULT_BUDGET_BYTES`](crate::DEFAULT_BUDGET_BYTES)): bodies in flight
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

    /// How many exchanges may wait for a writer ([`DEFAULT_QUEUE_EXCHANGES`](crate::DEFAULT_QUEUE_EXCHANGES)). More are dropped, counted.
    pub fn queue_exchanges(mut self, exchanges: usize) -> Self {
        self.queue_exchanges = exchanges;
        self
    }

    /// Rows that make a batch ([`DEFAULT_BATCH_ROWS`](crate::DEFAULT_BATCH_ROWS)).
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows;
        self
    }

    /// How long an exchange may wait for its batch to fill ([`DEFAULT_FLUSH_INTERVAL`](crate::DEFAULT_FLUSH_INTERVAL)), at most an
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

    /// Threads that decode and write ([`DEFAULT_WRITER_THREADS`](crate::DEFAULT_WRITER_THREADS)). They share out the part of the
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

    /// Whether the spans of OpenTelemetry have what was said, as it is recorded: redacted, and without
    /// what clients opted out of having kept. Off unless set.
    ///
    /// Each span has the client's whole request, which repeats the conversation so far. Of the instructions, of
    /// the messages asked and of the answers no more than 64 KiB of JSON each are kept: what comes before the
    /// last messages that fit is left out by whole messages, and a part `{"type":"left_out","count":2}` in
    /// front says how many.
    ///
    /// With the feature `otel` each exchange is told to the global tracer provider as a span, when its
    /// rows were written, by a thread of the recorder's own: with the times of the exchange, as a child
    /// of what its `traceparent` names, and with the attributes `gen_ai.*` of the conventions for
    /// generative AI: operation, provider, models, tokens, finish reasons, conversation, and the kind of
    /// error. What is rejected, dropped or was deleted meanwhile has none.
    #[cfg(feature = "otel")]
    pub fn span_content(mut self, with: bool) -> Self {
        self.span_content = with;
        self
    }

    /// Takes out of what is recorded what must not be stored, in place of
    /// [`Patterns::default`](crate::Patterns::default), which takes out credentials; [`Patterns::none`](crate::Patterns::none) takes out nothing.
    pub fn redact(mut self, redact: impl Redact) -> Self {
        self.redact = Arc::new(redact);
        self
    }

    /// Adds a dialect: requests at the paths at which it is spoken are recorded, and read by it. Of several
    /// the first counts.
    pub fn decode(mut self, dialect: impl Decode) -> Self {
        self.own.push(Arc::new(dialect));
        self
    }

    /// Records further requests, by method and path: what nothing can
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

    /// The headers, and members of the request's body, that name the conversation where the
    /// [`session_header`](Self::session_header) does not, in order
    /// ([`DEFAULT_SESSION_NAMES`](crate::DEFAULT_SESSION_NAMES)). `x-*-session-id` stands for every header
    /// of that form, `baggage` for its members `session.id`, `langfuse.session.id` and
    /// `gen_ai.conversation.id`, `body:metadata.session_id` for that member of the body. Of whom a member
    /// is meant can be said in `body:prompt_cache_key of codex` alone.
    ///
    /// With several [`writer_threads`](Self::writer_threads) exchanges that are named by their body alone
    /// are not all handed to the same one.
    pub fn session_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.session_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// The headers, and members of the request's body, that name the user where the application does
    /// not, in order: `X-User-ID`, then
    /// [`DEFAULT_USER_NAMES`](crate::DEFAULT_USER_NAMES).
    pub fn user_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.user_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// The headers, and members of the request's body, that hint at a conversation without naming it
    /// ([`DEFAULT_HINT_NAMES`](crate::DEFAULT_HINT_NAMES)); none: a client without a name begins a new
    /// conversation with every request.
    pub fn hint_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hint_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Whether clients may opt out of being recorded, by the headers of Helicone, Cloudflare and
    /// LiteLLM, or `"no-log": true` in the body (`true`).
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
}
