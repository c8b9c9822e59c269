package activities

import "github.com/prometheus/client_golang/prometheus"

// Kinds of repair, as labels.
const (
	repairOverdue   = "overdue"
	repairRestarted = "restarted"
	repairEnded     = "ended"
)

// Metrics are what activities count.
type Metrics struct {
	lateness  prometheus.Histogram
	deletions *prometheus.CounterVec
	repairs   *prometheus.CounterVec
	fuse      prometheus.Counter
}

// NewMetrics registers the metrics; it panics when they are registered already.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "xivo_auth_token_expiry_lateness_seconds", Help: "How long after its expiry a token was deleted, by the database's clock.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600},
		}),
		deletions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "xivo_auth_lifetime_deletions_total", Help: "Tokens that lifetimes ended, by outcome; gone means that the row had vanished.",
		}, []string{"outcome"}),
		repairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "xivo_auth_audit_repairs_total", Help: "Repairs of the lifetime audit by kind; each of them was a defect.",
		}, []string{"kind"}),
		fuse: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "xivo_auth_audit_fuse_total", Help: "Audits that stopped because there was more to repair than one may.",
		}),
	}
	r.MustRegister(m.lateness, m.deletions, m.repairs, m.fuse)
	for _, kind := range []string{repairOverdue, repairRestarted, repairEnded} {
		m.repairs.WithLabelValues(kind)
	}
	return m
}
