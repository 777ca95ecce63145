//! Metrics of `wasi:otel` as OTLP has them.

use super::convert::{nanos, scope, span_bytes, trace_bytes};
use super::value::attributes;
use super::wit::metrics as wit;
use super::wit::metrics::MetricNumber as Number;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
    Histogram, HistogramDataPoint, Metric, NumberDataPoint, ScopeMetrics, Sum, exemplar,
    number_data_point,
};

/// All that one meter has made.
pub fn of_scope(metrics: wit::ScopeMetrics) -> ScopeMetrics {
    let (scope, schema_url) = scope(metrics.scope);
    ScopeMetrics {
        scope: Some(scope),
        metrics: metrics.metrics.into_iter().map(metric).collect(),
        schema_url,
    }
}

fn metric(metric: wit::Metric) -> Metric {
    use wit::MetricData as Kind;
    Metric {
        name: metric.name,
        description: metric.description,
        unit: metric.unit,
        metadata: Vec::new(),
        data: Some(match metric.data {
            Kind::F64Gauge(of) | Kind::U64Gauge(of) | Kind::S64Gauge(of) => gauge(of),
            Kind::F64Sum(of) | Kind::U64Sum(of) | Kind::S64Sum(of) => sum(of),
            Kind::F64Histogram(of) | Kind::U64Histogram(of) | Kind::S64Histogram(of) => {
                histogram(of)
            }
            Kind::F64ExponentialHistogram(of)
            | Kind::U64ExponentialHistogram(of)
            | Kind::S64ExponentialHistogram(of) => exponential(of),
        }),
    }
}

/// OTLP has no unsigned numbers.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn real(number: Number) -> f64 {
    match number {
        Number::F64(number) => number,
        Number::S64(number) => number as f64,
        Number::U64(number) => number as f64,
    }
}

fn value(number: Number) -> number_data_point::Value {
    match number {
        Number::F64(number) => number_data_point::Value::AsDouble(number),
        Number::S64(number) => number_data_point::Value::AsInt(number),
        Number::U64(number) => number_data_point::Value::AsInt(whole(number)),
    }
}

fn temporality(of: wit::Temporality) -> i32 {
    match of {
        wit::Temporality::Cumulative => AggregationTemporality::Cumulative,
        // What it is a preference of, is delta.
        wit::Temporality::Delta | wit::Temporality::LowMemory => AggregationTemporality::Delta,
    }
    .into()
}

fn exemplars(of: Vec<wit::Exemplar>) -> Vec<Exemplar> {
    let one = |exemplar: wit::Exemplar| Exemplar {
        filtered_attributes: attributes(exemplar.filtered_attributes),
        time_unix_nano: nanos(exemplar.time),
        span_id: span_bytes(&exemplar.span_id),
        trace_id: trace_bytes(&exemplar.trace_id),
        value: Some(match exemplar.value {
            Number::F64(number) => exemplar::Value::AsDouble(number),
            Number::S64(number) => exemplar::Value::AsInt(number),
            Number::U64(number) => exemplar::Value::AsInt(whole(number)),
        }),
    };
    of.into_iter().map(one).collect()
}

fn gauge(gauge: wit::Gauge) -> Data {
    let (start, time) = (
        gauge.start_time.map(nanos).unwrap_or_default(),
        nanos(gauge.time),
    );
    let points = gauge.data_points.into_iter().map(|point| NumberDataPoint {
        attributes: attributes(point.attributes),
        start_time_unix_nano: start,
        time_unix_nano: time,
        exemplars: exemplars(point.exemplars),
        flags: 0,
        value: Some(value(point.value)),
    });
    Data::Gauge(Gauge {
        data_points: points.collect(),
    })
}

fn sum(sum: wit::Sum) -> Data {
    let (start, time) = (nanos(sum.start_time), nanos(sum.time));
    let points = sum.data_points.into_iter().map(|point| NumberDataPoint {
        attributes: attributes(point.attributes),
        start_time_unix_nano: start,
        time_unix_nano: time,
        exemplars: exemplars(point.exemplars),
        flags: 0,
        value: Some(value(point.value)),
    });
    Data::Sum(Sum {
        data_points: points.collect(),
        aggregation_temporality: temporality(sum.temporality),
        is_monotonic: sum.is_monotonic,
    })
}

fn histogram(histogram: wit::Histogram) -> Data {
    let (start, time) = (nanos(histogram.start_time), nanos(histogram.time));
    let points = histogram
        .data_points
        .into_iter()
        .map(|point| HistogramDataPoint {
            attributes: attributes(point.attributes),
            start_time_unix_nano: start,
            time_unix_nano: time,
            count: point.count,
            sum: Some(real(point.sum)),
            bucket_counts: point.bucket_counts,
            explicit_bounds: point.bounds,
            exemplars: exemplars(point.exemplars),
            flags: 0,
            min: point.min.map(real),
            max: point.max.map(real),
        });
    Data::Histogram(Histogram {
        data_points: points.collect(),
        aggregation_temporality: temporality(histogram.temporality),
    })
}

fn exponential(histogram: wit::ExponentialHistogram) -> Data {
    let (start, time) = (nanos(histogram.start_time), nanos(histogram.time));
    let buckets = |of: wit::ExponentialBucket| Buckets {
        offset: of.offset,
        bucket_counts: of.counts,
    };
    let points = histogram
        .data_points
        .into_iter()
        .map(|point| ExponentialHistogramDataPoint {
            attributes: attributes(point.attributes),
            start_time_unix_nano: start,
            time_unix_nano: time,
            count: point.count,
            sum: Some(real(point.sum)),
            scale: point.scale.into(),
            zero_count: point.zero_count,
            positive: Some(buckets(point.positive_bucket)),
            negative: Some(buckets(point.negative_bucket)),
            flags: 0,
            exemplars: exemplars(point.exemplars),
            min: point.min.map(real),
            max: point.max.map(real),
            zero_threshold: point.zero_threshold,
        });
    Data::ExponentialHistogram(ExponentialHistogram {
        data_points: points.collect(),
        aggregation_temporality: temporality(histogram.temporality),
    })
}
