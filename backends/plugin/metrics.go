package plugin

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of a call, for the metric.
const (
	outcomeOK      = "ok" // a refusal too: the plug-in did its work
	outcomeError   = "error"
	outcomeTimeout = "timeout"
	outcomeBusy    = "busy"
	outcomeDown    = "down"
	outcomeGone    = "caller_gone"
)

type metrics struct {
	up       *prometheus.GaugeVec
	restarts *prometheus.CounterVec
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		up:       prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "xivo_auth_plugin_up", Help: "Whether a plug-in is running: 1 or 0."}, []string{"kind", "name"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "xivo_auth_plugin_restarts_total", Help: "Starts of a plug-in after the first."}, []string{"kind", "name"}),
		calls:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "xivo_auth_plugin_calls_total", Help: "Calls of plug-ins by outcome."}, []string{"kind", "name", "call", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "xivo_auth_plugin_call_seconds", Help: "Duration of calls that reached a plug-in.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}}, []string{"kind", "name", "call"}),
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.up, m.restarts, m.calls, m.seconds} {
		errs = append(errs, reg.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register the metrics of plug-ins: %w", err)
	}
	return m, nil
}
