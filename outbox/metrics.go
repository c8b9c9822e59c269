package outbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xivo-auth/xivo-auth/db"
)

// Metrics of the relay.
type Metrics struct {
	// Deliveries: what did the relay do? By what was wanted (run, end) and outcome (ok, away, failed).
	Deliveries *prometheus.CounterVec
	// Lag: how long did what is due wait, from its commit until it was done?
	Lag prometheus.Histogram
}

// NewMetrics registers the relay's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "xivo_auth_relay_deliveries_total",
			Help: "Rows of lifetime_due handed to Temporal, by what was wanted and outcome."}, []string{"wanted", "outcome"}),
		Lag: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "xivo_auth_relay_lag_seconds",
			Help:    "Time from the commit of what is due until it was done.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600, 3600}}),
	}
	reg.MustRegister(m.Deliveries, m.Lag)
	return m
}

func (m *Metrics) delivered(wanted string, err error) {
	outcome := "ok"
	if errors.Is(err, ErrSinkAway) {
		outcome = "away"
	} else if err != nil {
		outcome = "failed"
	}
	m.Deliveries.WithLabelValues(wanted, outcome).Inc()
}

func (m *Metrics) settled(created time.Time) { m.Lag.Observe(time.Since(created).Seconds()) }

// EventMetrics of the publisher.
type EventMetrics struct {
	// Published: which events did the broker confirm?
	Published *prometheus.CounterVec
	// Lag: how long did an event wait, from the change until the broker's confirm?
	Lag prometheus.Histogram
}

// NewEventMetrics registers the publisher's metrics.
func NewEventMetrics(reg prometheus.Registerer) *EventMetrics {
	m := &EventMetrics{
		Published: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "xivo_auth_events_published_total",
			Help: "Events that the broker confirmed, repeats included, by name."}, []string{"name"}),
		Lag: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "xivo_auth_event_lag_seconds",
			Help:    "Time from the change that an event tells of until the broker's confirm.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600, 3600}}),
	}
	reg.MustRegister(m.Published, m.Lag)
	return m
}

func (m *EventMetrics) published(s sentEvent) {
	m.Published.WithLabelValues(s.name).Inc()
	m.Lag.Observe(time.Since(s.owed).Seconds())
}

// EventBacklog is what the bus is still owed: how many events, and the age of the oldest.
type EventBacklog struct {
	Depth         int64
	OldestSeconds float64
}

// ReadEventBacklog asks the database.
func ReadEventBacklog(ctx context.Context, pool db.DBTX) (EventBacklog, error) {
	b, err := db.New().EventBacklog(ctx, pool)
	return EventBacklog(b), err
}

// Backlog is what the relay has before it.
type Backlog struct {
	// Depth counts rows that are due or leased, Parked those that failed too often, OldestSeconds is the age of the oldest.
	Depth, Parked int64
	OldestSeconds float64
}

// ReadBacklog asks the database.
func ReadBacklog(ctx context.Context, pool db.DBTX) (Backlog, error) {
	b, err := db.New().LifetimeDueBacklog(ctx, pool)
	return Backlog(b), err
}

// BacklogCollector reads both backlogs when metrics are scraped.
type BacklogCollector struct {
	pool                     db.DBTX
	log                      *slog.Logger
	depth, parked, oldest    *prometheus.Desc
	eventDepth, eventsOldest *prometheus.Desc
}

// NewBacklogCollector makes the collector; the caller registers it.
func NewBacklogCollector(pool db.DBTX, log *slog.Logger) *BacklogCollector {
	return &BacklogCollector{pool: pool, log: log,
		depth:        prometheus.NewDesc("xivo_auth_outbox_depth", "Rows of lifetime_due that wait or are leased.", nil, nil),
		parked:       prometheus.NewDesc("xivo_auth_outbox_parked", "Rows of lifetime_due that failed too often and wait for an operator.", nil, nil),
		oldest:       prometheus.NewDesc("xivo_auth_outbox_oldest_seconds", "Age of the oldest row of lifetime_due that is not parked.", nil, nil),
		eventDepth:   prometheus.NewDesc("xivo_auth_event_outbox_depth", "Events that wait for the bus.", nil, nil),
		eventsOldest: prometheus.NewDesc("xivo_auth_event_outbox_oldest_seconds", "Age of the oldest event that waits for the bus.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *BacklogCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.depth
	ch <- c.parked
	ch <- c.oldest
	ch <- c.eventDepth
	ch <- c.eventsOldest
}

// Collect implements prometheus.Collector.
func (c *BacklogCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	b, err := ReadBacklog(ctx, c.pool)
	if err != nil {
		c.log.WarnContext(ctx, "the outbox could not be measured", "error", err)
		return
	}
	ch <- prometheus.MustNewConstMetric(c.depth, prometheus.GaugeValue, float64(b.Depth))
	ch <- prometheus.MustNewConstMetric(c.parked, prometheus.GaugeValue, float64(b.Parked))
	ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, b.OldestSeconds)
	e, err := ReadEventBacklog(ctx, c.pool)
	if err != nil {
		c.log.WarnContext(ctx, "the log of events could not be measured", "error", err)
		return
	}
	ch <- prometheus.MustNewConstMetric(c.eventDepth, prometheus.GaugeValue, float64(e.Depth))
	ch <- prometheus.MustNewConstMetric(c.eventsOldest, prometheus.GaugeValue, e.OldestSeconds)
}
