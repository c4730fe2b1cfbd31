//! `telemetry`: traces and metrics.
use serde::{Deserialize, Serialize};

/// The section `telemetry`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Whether anything is measured.
    pub enabled: bool,
    /// The name under which this gateway is known.
    pub service_name: String,
    /// Where it goes.
    pub exporter: Exporter,
    /// The collector's address.
    pub endpoint: String,
    /// How the collector is spoken to.
    pub protocol: OtlpProtocol,
    /// The share of traces that is kept, from 0 to 1.
    pub sample_rate: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            service_name: "agent-gateway".into(),
            exporter: Exporter::Console,
            endpoint: "http://localhost:4317".into(),
            protocol: OtlpProtocol::Grpc,
            sample_rate: 1.0,
        }
    }
}

/// Where traces and metrics go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exporter {
    /// To the log.
    Console,
    /// To a collector.
    Otlp,
    /// Nowhere.
    None,
}

/// How an OTLP collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtlpProtocol {
    /// gRPC.
    Grpc,
    /// HTTP with protobuf bodies.
    Http,
}
